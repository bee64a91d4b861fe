/** Two writes begun at once, the first first: how each ended. */
export async function both(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<string[]> {
  const results = await Promise.allSettled([first(), second()]);
  return results.map((r) => (r.status === 'fulfilled' ? 'done' : (r.reason.code ?? String(r.reason))));
}
