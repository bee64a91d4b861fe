/** Where events are, where the installation's condition, and where the audit log. */
export const eventsPath = '/v1/events';
export const conditionPath = '/v1/status';
export const auditPath = '/v1/audit';
