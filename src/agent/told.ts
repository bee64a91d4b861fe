/** So long an answer waits for the controller to be told of what is done here already. */
const tellMs = 2_000;

/** Resolves when `told` does, or does not soon; at once if the controller's stream is not open. */
export async function soon(told: Promise<void>, isConnected: () => boolean): Promise<void> {
  if (!isConnected()) return;
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, tellMs).unref();
  await Promise.race([told, late.promise]);
  clearTimeout(timer);
}
