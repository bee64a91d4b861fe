import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type Link, linkGet } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';

/** Runs `ip`, which must succeed. */
const ip = (...words: string[]): void => void execFileSync('ip', words, { stdio: 'pipe' });

/** A network namespace of its own with a netlink socket in it; disposing removes it and all that is in it. */
export function scratchNetns() {
  const name = `hdk-${randomBytes(4).toString('hex')}`;
  ip('netns', 'add', name);
  using undo = new DisposableStack();
  undo.defer(() => ip('netns', 'delete', name));
  const path = `/run/netns/${name}`;
  const ns = undo.use(openNetns(path));
  const nl = undo.use(openNetlink(ns));
  const all = undo.move();
  return {
    path,
    ns,
    nl,
    /** Runs `ip` in the namespace. */
    ip: (...words: string[]): void => ip('-n', name, ...words),
    /** Makes a bridge, down at first. */
    bridge(link: string): Link {
      ip('-n', name, 'link', 'add', 'name', link, 'type', 'bridge');
      return linkGet(nl, link);
    },
    [Symbol.dispose]: () => all.dispose(),
  };
}
