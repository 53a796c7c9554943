#!/usr/bin/env node
/** The `pushgateway` command: reads its settings, runs the roles, and ends them on SIGTERM or SIGINT. */
import { loadConfig } from '../../shared/config/read/load.ts';
import { asError, GatewayError } from '../../shared/errors.ts';
import { createLogger, type Logger } from '../../shared/logger.ts';

const LINGER_MS = 500;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

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
    const { config, warnings } = loaded;
    const logger = createLogger(config.log);
    for (const warning of warnings) logger.warn(warning);
    // What it takes to run is not needed to say how.
    const { Gateway } = await import('./gateway.ts');
    const gateway = new Gateway(config, logger, () => stop('/-/quit'));
    const signals = ['SIGTERM', 'SIGINT'] as const;
    const stop = (by: string): void => {
      logger.info({ by }, 'draining');
      // A second signal ends it the hard way.
      for (const name of signals) process.removeListener(name, stop);
      setTimeout(() => {
        logger.error({ grace_ms: config.shutdown.graceMs }, 'could not drain in time');
        process.exit(EXIT_FAILED);
      }, config.shutdown.delayMs + config.shutdown.graceMs).unref();
      gateway.destroy().then(
        () => {
          logger.info('stopped');
          // BullMQ leaves timers behind when it is closed while Redis is away; they have nothing left to do.
          return setTimeout(() => process.exit(), LINGER_MS).unref();
        },
        (thrown: unknown) => {
          logger.error({ err: asError(thrown) }, 'could not drain');
          process.exitCode = EXIT_FAILED;
        },
      );
    };
    for (const name of signals) process.on(name, stop);
    try {
      await gateway.start();
    } catch (thrown) {
      if (!gateway.isStopping) {
        logFailure(logger, thrown);
        process.exitCode = EXIT_FAILED;
        await gateway.destroy();
      }
    }
    break;
  }
  default:
    loaded satisfies never;
}

/** A fault of the user is said without a stack, and several of them a line each. */
function logFailure(logger: Logger, thrown: unknown): void {
  if (thrown instanceof GatewayError) {
    for (const reason of thrown.message.split('\n')) logger.error({ reason }, 'cannot start');
  } else {
    logger.error({ err: asError(thrown) }, 'cannot start');
  }
}
