import {
  AuthorityView,
  Joined,
  JoinInput,
  JoinTokenInput,
  JoinTokenMade,
  JoinTokenView,
  RenewalInput,
  Renewed,
  RetireInput,
  TrustStatus,
} from '../model/trust.ts';
import { answer, body, type Operation, pathParameter, problem, ref } from './openapi-parts.ts';
import { trustPaths } from './paths.ts';

/** Of certificates and of joining. */
export const trustSchemas = {
  ...{ AuthorityView, TrustStatus, RetireInput, JoinTokenInput, JoinTokenView, JoinTokenMade },
  ...{ JoinInput, Joined, RenewalInput, Renewed },
};

const done = { description: 'Done' };

/** Their description. */
export function trustOperations(): [string, Record<string, Operation>][] {
  const tags = ['trust'];
  const host = [pathParameter('host')];
  const exampleOfCsr = '-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n';
  return [
    [
      trustPaths.authority,
      {
        get: {
          operationId: 'getAuthority',
          summary:
            'Show the certificates of the authority; anybody may ask, and knows by a pin whether they are the right ones',
          tags,
          responses: { 200: answer('What to believe', 'AuthorityView'), ...problem },
        },
      },
    ],
    [
      trustPaths.status,
      {
        get: {
          operationId: 'getTrustStatus',
          summary: 'Show authorities, and which hosts’ certificates are of which',
          tags,
          responses: { 200: answer('As it is now', 'TrustStatus'), ...problem },
        },
      },
    ],
    [
      trustPaths.rotate,
      {
        post: {
          operationId: 'rotateAuthority',
          summary: 'Make a new authority, which the one before signs too: nobody notices',
          tags,
          responses: { 200: answer('As it is now', 'TrustStatus'), ...problem },
        },
      },
    ],
    [
      trustPaths.retire,
      {
        post: {
          operationId: 'retireAuthority',
          summary: 'End the authority before: what is of it does not count any more',
          tags,
          requestBody: body('application/json', 'RetireInput', { force: false }),
          responses: { 200: answer('As it is now', 'TrustStatus'), ...problem },
        },
      },
    ],
    [
      trustPaths.join,
      {
        post: {
          operationId: 'join',
          summary: 'Become a host: the token is the credential',
          tags,
          requestBody: body('application/json', 'JoinInput', { token: 'hdj_…', csr: exampleOfCsr, name: 'h1' }),
          responses: { 200: answer('Joined', 'Joined'), ...problem },
        },
      },
    ],
    [
      trustPaths.tokens,
      {
        get: {
          operationId: 'listHostTokens',
          summary: 'List tokens by which hosts join',
          tags,
          responses: {
            200: answer('Those that have not expired', {
              type: 'object',
              required: ['items'],
              properties: { items: { type: 'array', items: ref('JoinTokenView') } },
            }),
            ...problem,
          },
        },
        post: {
          operationId: 'createHostToken',
          summary: 'Make a token by which hosts join; it is shown once',
          tags,
          requestBody: body('application/json', 'JoinTokenInput', { uses: 3 }),
          responses: { 201: answer('Made', 'JoinTokenMade'), ...problem },
        },
      },
    ],
    [
      trustPaths.token,
      {
        delete: {
          operationId: 'deleteHostToken',
          summary: 'End a token; who has joined with it stays',
          tags,
          parameters: [pathParameter('token')],
          responses: { 204: done, ...problem },
        },
      },
    ],
    [
      trustPaths.certificate,
      {
        post: {
          operationId: 'renewCertificate',
          summary: 'Get a new certificate; of a host, by itself',
          tags,
          parameters: host,
          requestBody: body('application/json', 'RenewalInput', { csr: exampleOfCsr }),
          responses: { 200: answer('The certificate', 'Renewed'), ...problem },
        },
      },
    ],
    [
      trustPaths.revoke,
      {
        post: {
          operationId: 'revokeHost',
          summary: 'Shut a host out until it joins again',
          tags,
          parameters: host,
          responses: { 200: answer('As it is now', 'Host'), ...problem },
        },
      },
    ],
  ];
}
