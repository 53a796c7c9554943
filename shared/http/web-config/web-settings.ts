/**
 * The settings in force from the web configuration file, or from --tls.cert and --tls.key:
 *
 *     load() ──▶ in force ──a file changed, and two checks see the same──▶ reload ──▶ in force
 *                                                                             └─ faulty: logged once, the old stay
 *
 * The files are checked (stat) twice a second, so a change takes effect within a second. Two equal checks are required
 * because a file that is being written is empty at first, and an empty file would switch authentication off.
 */
import { readFileSync, statSync, type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { quoteRedacted } from '../../config/values/redact.ts';
import { GatewayError, systemReason } from '../../errors.ts';
import { sleep } from '../../async/sleep.ts';
import type { Logger } from '../../logger.ts';
import { loadTls, tlsFiles, type TlsSettings } from './tls-settings.ts';
import {
  NO_WEB_CONFIG,
  PLAIN_TLS,
  readWebConfig,
  type ReadWebConfig,
  type TlsFile,
  type WebConfigFile,
} from './web-config-file.ts';
import type { DescribeFault } from '../../config/read/yaml-reader.ts';

/** Interval between checks of the files. */
const POLL_MS = 500;

export interface WebSettings extends Omit<WebConfigFile, 'tls'> {
  readonly tls: TlsSettings | undefined;
}

export interface WebSettingsObserver {
  /** Called after each reload, not for the result of load(). */
  apply(settings: WebSettings): void;
  /** Called after each attempt to reload. */
  reloaded(successful: boolean): void;
}

type WebSource = Pick<Config, 'tls'> & { readonly web: Pick<Config['web'], 'configFile'> };

export class WebSettingsSource {
  readonly #config: WebSource;
  readonly #logger: Logger;
  readonly #pollMs: number;
  readonly #abort = new AbortController();
  /** The files that were read, or could not be read. */
  #files: readonly string[] = [];
  /** Their state before they were read. */
  #seen = '';
  #hasTls = false;
  #watching: Promise<void> | undefined;

  constructor(config: WebSource, logger: Logger, pollMs = POLL_MS) {
    this.#config = config;
    this.#logger = logger;
    this.#pollMs = pollMs;
  }

  /** Throws GatewayError `config_invalid`, one line for each fault. */
  load(): WebSettings {
    const faults: string[] = [];
    const settings = this.#read(faults);
    if (settings === undefined) throw new GatewayError('config_invalid', faults.join('\n'));
    this.#hasTls = settings.tls !== undefined;
    return settings;
  }

  watch(observer: WebSettingsObserver): void {
    const hasFiles = this.#config.web.configFile !== '' || this.#config.tls.enabled;
    if (hasFiles) this.#watching ??= this.#watch(observer);
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    await this.#watching;
  }

  async #watch(observer: WebSettingsObserver): Promise<void> {
    const { signal } = this.#abort;
    let last = this.#seen;
    for (await sleep(this.#pollMs, signal); !signal.aborted; await sleep(this.#pollMs, signal)) {
      const now = await stateOf(this.#files);
      if (now === last && now !== this.#seen) this.#reload(observer);
      last = now;
    }
  }

  #reload(observer: WebSettingsObserver): void {
    const faults: string[] = [];
    const settings = this.#read(faults);
    if (settings !== undefined && (settings.tls !== undefined) !== this.#hasTls) {
      faults.push(`cannot switch TLS ${this.#hasTls ? 'off' : 'on'} while running: restart the gateway`);
    }
    if (settings === undefined || faults.length > 0) {
      this.#logger.error({ faults }, 'cannot reload the web configuration; the old settings stay in force');
      observer.reloaded(false);
      return;
    }
    observer.apply(settings);
    this.#logger.info({ files: this.#files }, 'web configuration reloaded');
    observer.reloaded(true);
  }

  /** Undefined when there are faults. */
  #read(faults: string[]): WebSettings | undefined {
    const { configFile } = this.#config.web;
    const path = configFile === '' ? [] : [resolve(configFile)];
    // Checked before they are read, so that a change in between is noticed.
    const seen = stateOfSync(path);
    const read = this.#readFile(configFile, faults);
    const flags = this.#config.tls.enabled ? this.#tlsOfFlags() : undefined;
    if (flags !== undefined && read.file.tls !== undefined) {
      const why = 'expected no certificate here, --tls.enabled gives one';
      faults.push(read.describeFault('tls_server_config', undefined, why));
    }
    const tlsFile = flags ?? read.file.tls;
    this.#files = tlsFile === undefined ? path : [...path, ...tlsFiles(tlsFile)];
    this.#seen = seen + stateOfSync(this.#files.slice(path.length));
    const tls = tlsFile && loadTls(tlsFile, flags === undefined ? read.describeFault : describeFlagFault, faults);
    return faults.length > 0 ? undefined : { ...read.file, tls };
  }

  #readFile(path: string, faults: string[]): Pick<ReadWebConfig, 'file' | 'describeFault'> {
    if (path === '') return { file: NO_WEB_CONFIG, describeFault: describeFlagFault };
    let content: string;
    try {
      content = readFileSync(path, 'utf8');
    } catch (thrown) {
      const why = `expected a file that can be read, got ${systemReason(thrown)}`;
      faults.push(`cannot use --web.config.file ${quoteRedacted(path)}: ${why}`);
      return { file: NO_WEB_CONFIG, describeFault: describeFlagFault };
    }
    const read = readWebConfig(content, path);
    faults.push(...read.faults);
    return read;
  }

  #tlsOfFlags(): TlsFile {
    const { certFile, keyFile } = this.#config.tls;
    return { ...PLAIN_TLS, certFile: resolve(certFile), keyFile: resolve(keyFile) };
  }
}

const FLAG_OF_KEY: Readonly<Record<string, string>> = {
  'tls_server_config.cert_file': '--tls.cert',
  'tls_server_config.key_file': '--tls.key',
  tls_server_config: '--tls.cert',
};

const describeFlagFault: DescribeFault = (key, shown, why) =>
  `cannot use ${FLAG_OF_KEY[key] ?? key}${shown === undefined ? '' : ` ${quoteRedacted(shown)}`}: ${why}`;

/** stat() follows symbolic links: Kubernetes changes a mounted secret by replacing a link. */
const STAT_OPTIONS = { bigint: true } as const;

function stateOfSync(paths: readonly string[]): string {
  return paths.map((path) => stateLine(path, statIfPresent(path))).join('');
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const lines = paths.map(async (path) => stateLine(path, await stat(path, STAT_OPTIONS).catch(() => undefined)));
  return (await Promise.all(lines)).join('');
}

function stateLine(path: string, stats: BigIntStats | undefined): string {
  if (stats === undefined) return `${path} absent\n`;
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return `${path} ${[dev, ino, size, mtimeNs, ctimeNs].join(' ')}\n`;
}

function statIfPresent(path: string): BigIntStats | undefined {
  try {
    return statSync(path, STAT_OPTIONS);
  } catch {
    return undefined;
  }
}
