import { LoginSettings, Whoami } from '../model/login.ts';
import { type Operation, problem, ref } from './openapi-parts.ts';

/** Paths of logging in. */
export const loginPaths = { login: '/v1/login', whoami: '/v1/whoami' } as const;

/** Their schemas. */
export const loginSchemas = { LoginSettings, Whoami };

const tags = ['access'];
const json = (description: string, name: keyof typeof loginSchemas) => ({
  description,
  content: { 'application/json': { schema: ref(name) } },
});

/** Their description. */
export const loginOperations = (): [string, Record<string, Operation>][] => [
  [
    loginPaths.login,
    {
      get: {
        operationId: 'getLogin',
        summary: 'Show how people log in; anybody may ask',
        tags,
        responses: { 200: json('How', 'LoginSettings'), ...problem },
      },
    },
  ],
  [
    loginPaths.whoami,
    {
      get: {
        operationId: 'getWhoami',
        summary: 'Show who you are to the controller, and which roles you have',
        tags,
        responses: { 200: json('You', 'Whoami'), ...problem },
      },
    },
  ],
];
