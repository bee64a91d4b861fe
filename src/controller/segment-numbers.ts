import type { World } from './world.ts';
import type { Writer } from './writer.ts';

interface Options {
  readonly world: World;
  readonly writer: Pick<Writer, 'update'>;
  readonly log: { warn(fields: object, text: string): void };
}

/**
 * Segments that an earlier version has stored get their place numbers, as every write of one does. Before any host is told of
 * them: with the number all of a segment's machines are told anew, which is not to be when it first changes hosts.
 */
export async function numberSegments({ world, writer, log }: Options): Promise<void> {
  for (const { record } of [...world.port.values()]) {
    if (!record.segment || record.place !== undefined) continue;
    const { tenant, id, name } = record;
    try {
      await writer.update('port', tenant, id, undefined, (input) => input);
    } catch (err) {
      log.warn(
        { port: name, err },
        'a segment has no number yet; its machines will be told anew when it changes hosts',
      );
    }
  }
}
