/** Networks that hosts make, since their Docker engines want them: all that a host writes of networks are these. */

/** On each of them; what has it is no user's. */
export const madeLabel = { key: 'heddle.docker', value: 'made' } as const;
/** Says for which Docker network or pool it was made: by it a repeated call finds it again. */
export const forLabel = 'heddle.docker.for';

export const isMade = ({ labels }: { readonly labels: Readonly<Record<string, string>> }): boolean =>
  labels[madeLabel.key] === madeLabel.value;

/** Names that one has before it is named after Docker's, which is once. */
export const isProvisional = (name: string): boolean => /^docker-[0-9a-f]{12}$/.test(name);
