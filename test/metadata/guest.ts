/** A workload that asks about itself, with curl. */
import type { Port, PortInput } from '../../src/model/kinds.ts';
import type { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';

/** Where it asks. */
export const service = { four: 'http://169.254.169.254', six: 'http://[fd00:ec2::254]' } as const;

/** An answer. `status` 0: none. */
export interface Told {
  readonly status: number;
  readonly body: string;
}

/** A namespace that is attached as a port; disposing detaches and removes it. */
export class Guest implements AsyncDisposable {
  readonly workload: Workload;
  readonly port: Port;
  readonly host: string;
  readonly #rig: Rig;

  private constructor(rig: Rig, workload: Workload, port: Port, host: string) {
    this.#rig = rig;
    this.workload = workload;
    this.port = port;
    this.host = host;
  }

  /** Makes a port on network "web" and attaches a new workload as it. */
  static async open(
    rig: Rig,
    host: string,
    input: Omit<PortInput, 'network'>,
    tenant: string = rig.tenant,
  ): Promise<Guest> {
    const port = await rig.client.create('port', { network: 'web', ...input }, { tenant });
    const workload = await rig.workload();
    await rig.attach(host, { target: workload.path, tenant, port: port.name });
    return new Guest(rig, workload, port, host);
  }

  /** Asks with curl; `more` are further options. */
  async ask(url: string, ...more: string[]): Promise<Told> {
    const argv = ['curl', '-sS', '-g', '-m', '5', '-w', '\n%{http_code}', ...more, url];
    const { stdout } = await this.workload.exec(argv);
    const at = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
  }
  /** The text at a path of the EC2 form. */
  async read(path: string, from: string = service.four): Promise<string> {
    const { status, body } = await this.ask(`${from}/latest/${path}`);
    if (status !== 200) throw new Error(`${path} is answered with ${status}: ${body}`);
    return body;
  }
  /** A program in the guest that must succeed. */
  async run(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.workload.exec(argv);
    if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rig.detach(this.host, this.port.id);
    await this.workload[Symbol.asyncDispose]();
  }
}
