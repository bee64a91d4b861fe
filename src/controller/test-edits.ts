/** Edits of an installation, each made through the API, for tests. */
import { randomBytes } from 'node:crypto';
import { newSecret } from '../trust/secret.ts';
import { decideJoin } from './join.ts';
import { createJoinToken } from './join-tokens.ts';
import type { TestApi } from './test-api.ts';
import { FakeHost } from './test-hosts.ts';

type Row = { name: string; id: string };
/** What is made, and the names and numbers that it needs. */
export type Edit = {
  make: string;
  port?: string;
  parent?: string;
  network?: string;
  host?: string | null;
  router?: string;
  subnets?: string[];
  mtu?: number;
  n?: number;
};

/** Makes one. Many of them are refused: that too must change nothing. */
export async function applyEdit(api: TestApi, fakes: Map<string, FakeHost>, e: Edit): Promise<void> {
  const t = `/v1/tenants/${[...api.world.tenant.keys()][0]}`;
  switch (e.make) {
    case 'port':
      await api.request('POST', `${t}/ports`, { name: e.port, network: e.network, host: e.host });
      break;
    case 'bind':
      await api.request('PATCH', `${t}/ports/${e.port}`, { host: null });
      if (e.host) await api.request('PATCH', `${t}/ports/${e.port}`, { host: e.host });
      break;
    case 'stand by':
      await api.request('PATCH', `${t}/ports/${e.port}`, { standby: e.host });
      break;
    case 'switch':
      await api.request('PATCH', `${t}/ports/${e.port}`, {
        host: (await api.request('GET', `${t}/ports/${e.port}`)).body.standby,
      });
      break;
    case 'loose':
      await api.request('PATCH', `${t}/ports/${e.port}`, { host: null, standby: null });
      break;
    case 'segment': {
      const standby = [null, 'h1', 'h2'][e.n!];
      await api.request('POST', `${t}/ports`, { name: e.port, network: e.network, host: e.host, standby, segment: {} });
      break;
    }
    case 'behind': {
      const vlan = e.n! % 3 === 0 ? {} : { vlan: e.n! % 3 };
      const body = { name: e.port, network: e.network, behind: e.parent, ...vlan, ephemeral: e.n! > 2 };
      await api.request('POST', `${t}/ports`, body);
      break;
    }
    case 'readdress': {
      const addresses = ['10.0.0.9', 'fd00::9', '10.2.0.9'].slice(e.n! % 3, e.n);
      await api.request('PATCH', `${t}/ports/${e.port}`, { addresses });
      break;
    }
    case 'share':
      await api.request('POST', `${t}/addresses`, { name: `a${e.n}`, network: e.network, ports: ['p1', 'p2'] });
      break;
    case 'hold':
      await api.request('PATCH', `${t}/addresses/a${e.n}`, { holder: e.port });
      break;
    case 'unshare':
      await api.request('DELETE', `${t}/addresses/a${e.n}`);
      break;
    case 'unport':
      await api.request('DELETE', `${t}/ports/${e.port}`);
      break;
    case 'lease':
      await api.request('POST', `${t}/leases`, { network: e.network, host: e.host, size: e.n });
      break;
    case 'keep':
      await api.request('PATCH', `${t}/leases/${e.network}-${e.host}`, { addresses: [], size: e.n });
      break;
    case 'unlease':
      await api.request('DELETE', `${t}/leases/${e.network}-${e.host}`);
      break;
    case 'leased port': {
      const { addresses = [] } = (await api.request('GET', `${t}/leases/${e.network}-${e.host}`)).body;
      const body = {
        name: e.port,
        network: e.network,
        host: e.host,
        addresses: addresses.slice(0, 1),
        ephemeral: true,
      };
      await api.request('POST', `${t}/ports`, body);
      break;
    }
    case 'rename':
      await api.request('PATCH', t, { name: `acme${e.n}` });
      break;
    case 'publish':
      await api.request('PATCH', `${t}/ports/${e.port}`, {
        name: e.port,
        dnsNames: [`n${e.n}`],
        publish: [{ protocol: 'tcp', port: 80, hostPort: e.n }],
      });
      break;
    case 'nat':
      await api.request('PATCH', `${t}/networks/${e.network}`, {
        sourceNat: e.n === 1,
        mssClamp: e.n === 2,
        publishFrom: ['10.0.0.0/8'],
      });
      break;
    case 'unnetwork': {
      for (const s of (await api.request('GET', `${t}/subnets?network=${e.network}`)).body.items ?? [])
        await api.request('DELETE', `${t}/subnets/${s.id}`);
      await api.request('DELETE', `${t}/networks/${e.network}`);
      await api.request('POST', `${t}/networks`, { name: e.network });
      break;
    }
    case 'gone': {
      const { vtep } = api.world.find('host', '-', e.host!)!.record;
      await api.ok('DELETE', `/v1/hosts/${e.host}?gone=true`);
      await api.ok('POST', '/v1/hosts', { name: e.host, vtep });
      fakes.set(e.host!, new FakeHost(api, api.world.find('host', '-', e.host!)!.record.id));
      break;
    }
    case 'revoke':
      await api.ok('POST', `/v1/hosts/${e.host}/revoke`, {});
      break;
    case 'rejoin': {
      const { world, writer } = api;
      const { store } = api.audit;
      const made = { store, world, now: () => new Date(), randomBytes };
      const { token } = await createJoinToken(made, { name: e.host! }, newSecret(), 'test');
      const { vtep } = world.find('host', '-', e.host!)!.record;
      await writer.onHost(token, (ctx) => decideJoin(ctx, { token, vtep, key: token }));
      break;
    }
    case 'mtu':
      await api.request('PATCH', `${t}/networks/${e.network}`, { mtuBytes: e.mtu });
      break;
    case 'subnet':
      await api.request('POST', `${t}/subnets`, {
        name: `s-${e.network}-${e.n}`,
        network: e.network,
        cidr: `10.1.${e.n}.0/24`,
      });
      break;
    case 'unsubnet':
      await api.request('DELETE', `${t}/subnets/s-${e.network}-${e.n}`);
      break;
    case 'told': {
      const word = { addresses: [`192.0.2.${e.n}`], held: [`tcp ${e.n! + 1}`, `udp 53 192.0.2.${e.n! + 1}`] };
      await api.writer.told(api.world.find('host', '-', e.host!)!.record.id, word);
      break;
    }
    case 'vtep':
      await api.request('PATCH', `/v1/hosts/${e.host}`, {
        vtep: `198.18.1.${e.n}`,
        name: e.host,
        addresses: [`192.0.2.${e.n}`],
        openPorts: [`tcp/${e.n}`],
      });
      break;
    case 'router':
    case 'join': {
      // Without v4 they are refused now and then: no subnet of the router has the next hop.
      const routes = [{ destination: '192.0.2.0/24' }, { destination: '10.9.0.0/16', via: '10.0.0.5' }].slice(0, e.n);
      const body = { subnets: e.subnets, routes };
      if (e.make === 'router') await api.request('POST', `${t}/routers`, { name: e.router, ...body });
      else await api.request('PATCH', `${t}/routers/${e.router}`, body);
      break;
    }
    case 'peer': {
      const others = (await api.request('GET', `${t}/routers`)).body.items.filter((r: Row) => r.name !== e.router);
      const peers = others.slice(0, e.n).map((r: Row) => r.id);
      const translations = [{ subnet: 'v4', as: `100.64.${e.n}.0/24` }];
      await api.request('PATCH', `${t}/routers/${e.router}`, { peers });
      await api.request('PATCH', `${t}/routers/${e.router}`, { translations });
      break;
    }
    case 'unrouter':
      await api.request('DELETE', `${t}/routers/${e.router}`);
      break;
    case 'slow':
      fakes.get(e.host!)!.slow = true;
      break;
    case 'drain':
      fakes.get(e.host!)!.drain();
  }
}
