/** Attacks of a workload, by their numbers, each from a namespace and from a real guest, and each beside its legal twin. */
// exclusive: emulates a machine
import { after } from 'node:test';
import { aliasTests } from './aliases.ts';
import { connectionTests } from './connections.ts';
import { crowdTests } from './crowd.ts';
import { frameTests } from './frames.ts';
import { headlessTests } from './headless.ts';
import { hostTests } from './hosts.ts';
import { plugTests } from './plug.ts';
import { requestTests } from './requests.ts';
import { Scene } from './scene.ts';

const scene = await Scene.open();
after(() => scene[Symbol.asyncDispose]());
frameTests(scene);
requestTests(scene);
hostTests(scene);
connectionTests(scene);
headlessTests(scene);
aliasTests(scene);
plugTests(scene);
crowdTests(scene);
