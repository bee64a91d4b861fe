/** Why a host should not leave just now, in words; pure. */
import type { Attachment } from '../../model/local-api.ts';

/** What is asked about the host. */
export interface Situation {
  readonly attachments: readonly Attachment[];
  /** Networks that integrations hold. */
  readonly users: readonly { readonly tenant: string; readonly name: string }[];
  /** A program has the port's tap open. */
  readonly isOpen: (attachment: Attachment) => boolean;
  /** The controller can be told, or has nothing of the host any more. */
  readonly told: boolean;
  /** The controller's address. */
  readonly controller: string;
}

/** A workload's port, as people know it. */
export const named = ({ name, tenant, network }: Pick<Attachment, 'name' | 'tenant' | 'network'>): string =>
  `${name} (${tenant}/${network})`;

/** Networks that Docker has of the integrations, which it alone removes. */
export const dockerNetworks = (users: Situation['users']): string[] =>
  [...new Set(users.map(({ tenant, name }) => `${tenant}/${name}`))].map(
    (network) => `Docker has a network on ${network}: docker network rm`,
  );

/** What runs and would lose its network, what Docker thinks it has, and a controller that cannot be told. */
export function obstacles({ attachments, users, isOpen, told, controller }: Situation): string[] {
  const staying = attachments.filter((a) => a.state !== 'detaching');
  return [
    ...staying.filter(({ kind }) => kind === 'pair').map((a) => `${named(a)} is a container’s: stop it`),
    ...staying.filter(isOpen).map((a) => `${named(a)} is a running machine’s: shut it down`),
    ...dockerNetworks(users),
    ...(told ? [] : [`the controller at ${controller} does not answer, so what it has of this host would stay there`]),
  ];
}
