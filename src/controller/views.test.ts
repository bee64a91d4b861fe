import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Views } from './views.ts';

const networks = ['n0', 'n1', 'n2', 'n3'];
const hosts = ['h0', 'h1', 'h2'];
const routers = ['r0', 'r1', 'r2'];

/** What there is, each as often as it is there: "member n h" and "join r n". */
class Facts {
  readonly all: string[] = [];
  toggle(fact: string, twice: boolean): 1 | -1 {
    const at = this.all.indexOf(fact);
    if (at < 0 || twice) {
      this.all.push(fact);
      return 1;
    }
    this.all.splice(at, 1);
    return -1;
  }
  routerOf = (n: string) => routers.find((r) => this.all.includes(`join ${r} ${n}`));
  isMember = (h: string, n: string) => this.all.includes(`member ${n} ${h}`);
  joined = (a: string, b: string) =>
    a === b || (this.routerOf(a) !== undefined && this.routerOf(a) === this.routerOf(b));
  peers = (a: string, b: string) => this.all.includes(`peer ${[a, b].sort().join(' ')}`);
  sees = (a: string, b: string) => {
    const [ra, rb] = [this.routerOf(a), this.routerOf(b)];
    return this.joined(a, b) || (ra !== undefined && rb !== undefined && this.peers(ra, rb));
  };
  views = (h: string, n: string) => networks.some((other) => this.isMember(h, other) && this.sees(n, other));
}

it('knows who views what after any changes as a definition without indexes does', () => {
  const change = fc.record({
    network: fc.constantFrom(...networks),
    host: fc.option(fc.constantFrom(...hosts)),
    router: fc.constantFrom(...routers),
    peer: fc.option(fc.constantFrom(...routers)),
    twice: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const views = new Views();
      const facts = new Facts();
      for (const { network, host, router, peer, twice } of changes) {
        const other = facts.routerOf(network);
        if (host) views.member(network, host, facts.toggle(`member ${network} ${host}`, twice));
        else if (peer) {
          if (peer !== router) views.peer(router, peer, facts.toggle(`peer ${[router, peer].sort().join(' ')}`, false));
        } else if (other === undefined || other === router)
          views.join(router, network, facts.toggle(`join ${router} ${network}`, twice));
        for (const n of networks) {
          assert.equal(views.routerOf(n), facts.routerOf(n));
          assert.deepEqual(
            [...views.viewedFrom(n)].sort(),
            networks.filter((m) => facts.sees(n, m)),
          );
          assert.deepEqual(
            [...views.viewersOf(n)].sort(),
            hosts.filter((h) => facts.views(h, n)),
          );
          for (const h of hosts) {
            assert.equal(views.views(h, n), facts.views(h, n));
            const memberships = networks.filter((m) => facts.joined(n, m) && facts.isMember(h, m)).length;
            assert.equal(views.membershipsIn(n, h), memberships);
          }
        }
        for (const h of hosts) {
          assert.deepEqual(
            [...views.viewedBy(h)].sort(),
            networks.filter((n) => facts.views(h, n)),
          );
          for (const r of routers)
            assert.equal(
              views.isAt(h, r),
              networks.some((n) => facts.routerOf(n) === r && facts.isMember(h, n)),
            );
          const meet = (o: string) => networks.some((n) => facts.isMember(h, n) && facts.views(o, n));
          assert.deepEqual([...new Set(views.met(h))].sort(), hosts.filter(meet));
          for (const o of hosts) assert.equal(views.meet(h, o), meet(o));
        }
      }
    }),
  );
});
