import { defineConfig } from "vitest/config";
import { TallyReporter } from "./test/support/tally-reporter.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["./test/support/global-setup.ts"],
    // Processes of their own: a test may stop its event loop, and none shares a module with another.
    pool: "forks",
    // One more than most machines here have cores: a third of the time a file waits (for outages, leases, timeouts).
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    reporters: ["default", new TallyReporter()],
  },
});
