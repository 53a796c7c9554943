#!/usr/bin/env node
/** The `pushgateway` command: reads the settings, runs the roles, and drains them on SIGTERM or SIGINT. */
import type { Config } from '../../shared/config/config.ts';
import { loadConfig } from '../../shared/config/read/load.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import { createLogger, type Logger } from '../../shared/logger.ts';

/** How long after draining the process exits if something still keeps it alive. */
const LINGER_MS = 500;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const loaded = loadConfig();
switch (loaded.kind) {
  case 'help':
  case 'version':
    process.stdout.write(loaded.text.endsWith('\n') ? loaded.text : `${loaded.text}\n`);
    break;
  case 'invalid':
    for (const fault of loaded.faults) process.stderr.write(`pushgateway: ${fault}\n`);
    process.exitCode = EXIT_USAGE;
    break;
  case 'config': {
    const logger = createLogger(loaded.config.log);
    for (const warning of loaded.warnings) logger.warn(warning);
    await run(loaded.config, logger);
    break;
  }
  default:
    loaded satisfies never;
}

async function run(config: Config, logger: Logger): Promise<void> {
  // Imported late, so that --help and --version are fast.
  const { Gateway } = await import('./gateway.ts');
  const gateway = new Gateway(config, logger, () => stop('/-/quit'));
  const fail = (thrown: unknown, message: string): void => {
    // A GatewayError is explained by its message, one reason a line; anything else needs its stack.
    if (thrown instanceof GatewayError)
      for (const reason of thrown.message.split('\n')) logger.error({ code: thrown.code, reason }, message);
    else logger.error({ err: asError(thrown) }, message);
    process.exitCode = EXIT_FAILED;
  };
  const stop = (by: string): void => {
    logger.info({ by }, 'draining');
    // A second signal ends the process at once.
    for (const name of SIGNALS) process.removeListener(name, stop);
    setTimeout(() => {
      logger.error({ grace_ms: config.shutdown.graceMs }, 'could not drain in time');
      process.exit(EXIT_FAILED);
    }, config.shutdown.delayMs + config.shutdown.graceMs).unref();
    gateway.destroy().then(
      () => {
        logger.info('stopped');
        // BullMQ leaves timers behind when it is closed while Redis is away.
        return setTimeout(() => process.exit(), LINGER_MS).unref();
      },
      (thrown: unknown) => fail(thrown, 'could not drain'),
    );
  };
  for (const name of SIGNALS) process.on(name, stop);
  try {
    await gateway.start();
  } catch (thrown) {
    if (gateway.isStopping) return;
    fail(thrown, 'cannot start');
    await gateway.destroy();
  }
}
