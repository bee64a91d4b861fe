import { type DestinationStream, type Logger, pino } from 'pino';
import { masked } from '../model/masked.ts';

/**
 * What a daemon logs to: lines of JSON, without the secrets of tokens, in whatever they were pasted: an address, an error's text.
 * Lines are written before what they tell of is done: the last ones of a daemon that is killed are what its operator needs.
 * @param level of the least that is logged
 * @param to default: standard output
 */
export function openLog(level: string, to: DestinationStream = pino.destination({ dest: 1, sync: true })): Logger {
  const timestamp = pino.stdTimeFunctions.isoTime;
  return pino({ level, base: null, timestamp, hooks: { streamWrite: masked } }, to);
}
