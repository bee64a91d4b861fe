/** For tests: this process as another user, for a moment. */

/** Who it is; by default of no group but the user's own of the same number. */
export interface TestUser {
  readonly uid: number;
  readonly gid?: number;
  /** Further ones. */
  readonly groups?: readonly number[];
}

/** Calls `fn` as that user: what it opens and connects to, the kernel allows and tells others as that user's. Root only. */
export function asUser<T>(user: TestUser, fn: () => T): T {
  using _ = become(user);
  return fn();
}

/** The same until what `fn` gives has resolved: meanwhile the whole process is that user. */
export async function asUserWhile<T>(user: TestUser, fn: () => Promise<T>): Promise<T> {
  using _ = become(user);
  return await fn();
}

function become({ uid, gid = uid, groups = [] }: TestUser): Disposable {
  const own = { uid: process.geteuid!(), gid: process.getegid!(), groups: process.getgroups!() };
  process.setgroups!([...groups]);
  process.setegid!(gid);
  process.seteuid!(uid);
  return {
    [Symbol.dispose]() {
      process.seteuid!(own.uid);
      process.setegid!(own.gid);
      process.setgroups!(own.groups);
    },
  };
}
