/** Whether a kernel of this release ("6.1.0-31-amd64") is of that version or newer. */
export function releaseIsAtLeast(release: string, major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = release.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}
