/**
 * Loaded into a server whose memory is measured (`node --expose-gc --import …`): collects all garbage at SIGUSR2. The
 * young generation alone may hold more garbage than 2,000 sessions need, and none is due while a server is idle.
 */
process.on("SIGUSR2", () => {
  globalThis.gc?.();
});
