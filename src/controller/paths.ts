/** Where everything of the API is, as its description writes it. */
import { type Kind, kinds, type Place } from '../model/kinds.ts';

/** "/v1/tenants/{tenant}/ports": where a kind's objects are. */
export const collectionPath = (kind: Kind, place: Place): string =>
  `/v1/${place === 'tenant' ? 'tenants/{tenant}/' : ''}${kinds[kind].plural}`;
/** The path of one object; its parameter has the kind's name. */
export const objectPath = (kind: Kind, place: Place): string => `${collectionPath(kind, place)}/{${kind}}`;
/** The path of what has become of an object. */
export const historyPath = (kind: Kind, place: Place): string => `${objectPath(kind, place)}/history`;

export const applyPath = '/v1/apply';
export const exportPath = '/v1/export';
export const diffPath = '/v1/diff';
export const rollbackPath = '/v1/rollback';
export const quotaPath = '/v1/tenants/{tenant}/quota';
export const eventsPath = '/v1/events';
export const conditionPath = '/v1/status';
export const auditPath = '/v1/audit';
/** What a host refused by itself. */
export const refusalsPath = '/v1/hosts/{host}/refusals';
export const streamPath = '/v1/stream';
export const openapiPath = '/v1/openapi.json';
export const loginPaths = { login: '/v1/login', whoami: '/v1/whoami' } as const;
export const tokenPaths = { tokens: '/v1/tokens', token: '/v1/tokens/{token}' } as const;
/** Of certificates and of joining. */
export const trustPaths = {
  authority: '/v1/ca',
  status: '/v1/ca/status',
  rotate: '/v1/ca/rotate',
  retire: '/v1/ca/retire',
  join: '/v1/join',
  tokens: '/v1/host-tokens',
  token: '/v1/host-tokens/{token}',
  certificate: '/v1/hosts/{host}/certificate',
  revoke: '/v1/hosts/{host}/revoke',
} as const;

/** "{tenant}" → ":tenant". */
export const fastifyPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');
/** ":tenant" → "{tenant}". */
export const openapiPathOf = (url: string): string => url.replace(/:(\w+)/g, '{$1}');
