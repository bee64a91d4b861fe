/** Debian's cloud-init, in a guest that is a network namespace: downloaded as a package, unpacked into the cache, never installed. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, run } from '../../src/lab/run.ts';
import type { Workload } from '../agent/workload.ts';

const cache = resolve(import.meta.dirname, '../../.cache/cloud-init');
const script = fileURLToPath(new URL('boot.sh', import.meta.url));

/** The folder of cloud-init's files; downloaded (600 KB, checked by apt's signatures) when it is not there yet. */
async function ensurePackage(): Promise<string> {
  const final = join(cache, 'files');
  if (existsSync(final)) return final;
  await mkdir(cache, { recursive: true });
  const unfinished = await mkdtemp(join(cache, 'unfinished-'));
  try {
    // Root's download would be done as the user _apt, who may not write here; package lists may be missing, or too old.
    const download = 'apt-get download -q -o APT::Sandbox::User=root cloud-init';
    await must(['sh', '-ec', `cd ${unfinished}; ${download} || { apt-get update -q; ${download}; }`]);
    const [deb] = await readdir(unfinished);
    await must(['dpkg-deb', '-x', join(unfinished, deb!), join(unfinished, 'files')]);
    await rm(join(unfinished, 'files/lib'), { recursive: true, force: true }); // systemd's units
    await rename(join(unfinished, 'files'), final);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return final;
}

/** What cloud-init made of what it was told. */
export interface Booted {
  /** The metadata as its data source read them. */
  readonly metadata: Record<string, unknown>;
  /** What it knows of every cloud alike. */
  readonly common: Record<string, unknown>;
  readonly source: string;
  readonly errors: readonly string[];
  /** Contents of files by path, empty if they are not there. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Boots once. `datasource`: configuration of the data source, YAML. `ec2`: on a machine that says it is one of Amazon's.
 * `local`: with nothing set up; cloud-init has the network by DHCP while it asks.
 */
export async function boot(
  workload: Workload,
  datasource: string,
  options: { ec2?: boolean; local?: boolean } = {},
): Promise<Booted> {
  const files = await ensurePackage();
  const dir = await mkdtemp(join(tmpdir(), 'heddle-boot-'));
  try {
    const config = `${datasource}
network: {config: disabled}
users: []
disable_root: false
cloud_init_modules: [write-files, set_hostname, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
ssh_genkeytypes: []`;
    const own = ['unshare', '--mount', '--uts', '--pid', '--fork', '--kill-child'];
    const argv = [...own, 'sh', script, dir, files, options.ec2 ? 'ec2' : 'none', config];
    argv.push(options.local ? 'init --local' : '');
    const { code, stdout, stderr } = await run(workload.argv(argv));
    if (code !== 0) throw new Error(`cloud-init ended with ${code}: ${stderr}`);
    return parse(stdout);
  } finally {
    await rm(dir, { recursive: true });
  }
}

function parse(text: string): Booted {
  const files = Object.fromEntries(
    text
      .split(/^==> /m)
      .slice(1)
      .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)]),
  );
  const { ds, v1: common } = JSON.parse(files['/run/cloud-init/instance-data.json']!);
  const { datasource, errors } = JSON.parse(files['/run/cloud-init/result.json']!).v1;
  return { metadata: ds.meta_data ?? ds['meta-data'], common, source: datasource, errors, files };
}
