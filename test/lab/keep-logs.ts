import { cpSync } from 'node:fs';
import type { Lab } from '../../src/lab/lab.ts';

/** With HEDDLE_TEST_LOGS=<folder>, the logs of a lab's agents and engines are kept there. */
export function keepLogs(lab: Lab): void {
  const folder = process.env.HEDDLE_TEST_LOGS;
  for (const { name, log, engine } of folder ? lab.hosts : []) {
    cpSync(log, `${folder}/${lab.name}-${name}.log`);
    if (engine) cpSync(engine.log, `${folder}/${lab.name}-${name}-engine.log`);
  }
}
