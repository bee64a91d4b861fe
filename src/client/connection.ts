import { HeddleError } from '../model/errors.ts';
import type { CurrentCredentials } from './credentials.ts';
import { patiently } from './patience.ts';
import { type Address, type RequestOptions, readJson, readLines, send } from './transport.ts';

/** Of any call: how to end it early, and how long its answer may take to begin. */
export interface CallOptions extends Pick<RequestOptions, 'signal' | 'deadlineMs'> {}

/** The two ways in which the controller is asked. Holds nothing that must be closed. */
export interface Connection {
  readonly address: Address;
  /** Any request; the parsed answer. @throws CONTROLLER_UNREACHABLE and the API's codes */
  request(method: string, path: string, options?: RequestOptions): Promise<unknown>;
  /** The lines of an answer without end, until `signal` aborts. @throws CONTROLLER_UNREACHABLE when the connection ends, and the API's codes */
  lines(path: string, options: RequestOptions): AsyncGenerator<string>;
}

/** To the controller at an address. Connects with the first request. */
export function openConnection(address: Address, credentials?: CurrentCredentials): Connection {
  const unreachable = (problem: string, cause?: unknown) =>
    new HeddleError('CONTROLLER_UNREACHABLE', { address, problem }, cause);
  const ask = (method: string, path: string, options: RequestOptions) =>
    patiently(() => send({ address, credentials }, method, path, options, unreachable), options.signal);
  return {
    address,
    request: async (method, path, options = {}) => readJson(await ask(method, path, options)),
    async *lines(path, options) {
      const { signal } = options;
      const response = await ask('GET', path, options);
      try {
        for await (const line of readLines(response)) if (line !== '') yield line;
      } catch (cause) {
        if (!signal?.aborted) throw unreachable((cause as Error).message, cause);
      }
      if (!signal?.aborted) throw unreachable('the connection ended');
    },
  };
}
