/** The little of oidc-provider that the tests use; its own types would bring thirty packages more. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  /** Of Koa's context what is used here. */
  interface Context {
    status: number;
    body: Record<string, unknown>;
    readonly oidc?: { readonly route: string };
  }
  export class Provider {
    constructor(issuer: string, configuration: object);
    use(middleware: (ctx: Context, next: () => Promise<void>) => Promise<void>): void;
    callback(): RequestListener;
  }
}
