/** Somebody with a browser who visits the pages of the provider of provider.ts. */
import assert from 'node:assert/strict';

interface Page {
  readonly url: string;
  readonly text: string;
}

/** Follows redirects, keeps cookies, sends forms. One person at one moment. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async open(url: string, form?: Record<string, string>): Promise<Page> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      this.#cookies.set(name, value);
    }
    const to = response.headers.get('location');
    if (to) return this.open(new URL(to, url).href);
    return { url, text: await response.text() };
  }

  /** Sends the page's form with what it has, and more. */
  submit({ url, text }: Page, more: Record<string, string> = {}): Promise<Page> {
    const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1];
    assert.ok(action, `a form: ${text}`);
    const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map((m) => [m[1], m[2]]);
    return this.open(new URL(action, url).href, { ...Object.fromEntries(hidden), ...more });
  }
}

/** Says the code on the page that says for what, logs in under a name, and agrees. */
export async function approve(completeUri: string, login: string): Promise<void> {
  const browser = new Browser();
  const asked = await browser.submit(await browser.open(completeUri));
  assert.match(asked.text, /Confirm Device/);
  const pages = [await browser.submit(asked, { confirm: 'yes' })];
  pages.push(await browser.submit(pages[0]!, { login, password: 'x' }));
  pages.push(await browser.submit(pages[1]!));
  assert.match(pages[2]!.text, /Sign-in Success/);
}

/** Says no. */
export async function deny(completeUri: string): Promise<void> {
  const browser = new Browser();
  const asked = await browser.submit(await browser.open(completeUri));
  await browser.submit(asked, { abort: 'yes' });
}
