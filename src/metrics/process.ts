import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import type { Exposition } from './exposition.ts';

/** What every daemon tells of its process. Costs a listing of its descriptors. */
export function exposeProcess(into: Exposition, version: string): void {
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage();
  into.set('heddle_build_info', 1, { version, node: process.version });
  into.set('process_cpu_seconds_total', (user + system) / 1e6);
  into.set('process_resident_memory_bytes', memory.rss);
  into.set('process_start_time_seconds', performance.timeOrigin / 1000);
  into.set('process_open_fds', readdirSync('/proc/self/fd').length - 1);
  into.set('nodejs_heap_used_bytes', memory.heapUsed);
  into.set('nodejs_event_loop_busy_seconds_total', performance.eventLoopUtilization().active / 1000);
}
