/** What a host tells of what it refused by itself: to users of its Docker engine, and to members of its agent's group. */
import { type Static, Type } from '#typebox';
import type { Code } from './errors.ts';
import { strict } from './fields.ts';

/** How much a host may tell at once. Characters are code points. */
export const refusalLimits = { items: 100, more: 1_000_000, whoChars: 80, askedChars: 200, whyChars: 200 } as const;

/** What is not seen, or moves what is: ends of lines, marks that turn the order round, halves of characters. */
const unseen = '\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}\\p{Zl}\\p{Zp}';
const words = (mostChars: number, description: string) =>
  Type.String({ pattern: `^[^${unseen}]{1,${mostChars}}$`, description });

const everyUnseen = new RegExp(`[${unseen}]`, 'gu');
/** Any text as such words. */
export const seenWords = (text: string, mostChars: number): string =>
  text.slice(0, mostChars).replace(everyUnseen, '?') || '-';

const said = {
  at: Type.String({ format: 'date-time', maxLength: 30, description: 'When it was, by the host’s clock' }),
  who: words(refusalLimits.whoChars, 'Who asked, as the host says: the name in a certificate, or as "user 1000"'),
  asked: words(refusalLimits.askedChars, 'For what, as the host says: method and path'),
  why: words(refusalLimits.whyChars, 'Why it was refused, as the host says'),
};
const codes = ['ENGINE_FORBIDDEN', 'FORBIDDEN'] as const satisfies readonly Code[];

/** As a record has it. */
export const ToldRefusal = Type.Object(said, {
  ...strict,
  description:
    'What a host tells of what it refused by itself. All of it, and `code` too, is the word of that host alone',
});

const HostRefusal = Type.Object({ ...said, code: Type.Enum([...codes]) }, strict);
export type HostRefusal = Static<typeof HostRefusal>;

/** What a host tells at once. */
export const HostRefusals = Type.Object(
  {
    items: Type.Array(HostRefusal, { maxItems: refusalLimits.items }),
    more: Type.Optional(
      Type.Integer({ minimum: 1, maximum: refusalLimits.more, description: 'So many more, of which it says nothing' }),
    ),
  },
  strict,
);
export type HostRefusals = Static<typeof HostRefusals>;
