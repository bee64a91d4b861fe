import { LoginSettings, Whoami } from '../model/login.ts';
import { answer, type Operation, problem } from './openapi-parts.ts';
import { loginPaths } from './paths.ts';

/** Of logging in. */
export const loginSchemas = { LoginSettings, Whoami };

const tags = ['access'];
/** Their description. */
export const loginOperations = (): [string, Record<string, Operation>][] => [
  [
    loginPaths.login,
    {
      get: {
        operationId: 'getLogin',
        summary: 'Show how people log in; anybody may ask',
        tags,
        responses: { 200: answer('How', 'LoginSettings'), ...problem },
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
        responses: { 200: answer('You', 'Whoami'), ...problem },
      },
    },
  ],
];
