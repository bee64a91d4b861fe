/** Where events are, and where the installation's condition. */
export const eventsPath = '/v1/events';
export const conditionPath = '/v1/status';
