/**
 * What is in force of the web configuration file (or of --tls.cert and --tls.key), and how it stays so:
 *
 *     load() ──▶ in force ──a file changed, and is the same on the next look──▶ read anew ──▶ in force
 *                                                                                  └─ faulty: logged once, the old stays
 *
 * The files are looked at (stat) twice a second, so that a change holds within a second; nothing is done on a request. Two
 * equal looks, because a file that is being written is empty at first, and an empty one would switch authentication off.
 */
import { readFileSync, statSync, type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { quote } from '../../config/values/quote.ts';
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
import type { Blame } from '../../config/read/yaml-reader.ts';

const LOOK_MS = 500;

export interface WebSettings extends Omit<WebConfigFile, 'tls'> {
  readonly tls: TlsSettings | undefined;
}

export interface WebSettingsListener {
  /** Not called for what load() returned. */
  apply(settings: WebSettings): void;
  /** After each attempt to read them anew. */
  reloaded(successful: boolean): void;
}

type WebSource = Pick<Config, 'tls'> & { readonly web: Pick<Config['web'], 'configFile'> };

export class WebSettingsSource {
  readonly #config: WebSource;
  readonly #logger: Logger;
  readonly #lookMs: number;
  readonly #abort = new AbortController();
  /** Those that were read, or could not be. */
  #files: readonly string[] = [];
  /** What they looked like before they were read. */
  #seen = '';
  #withTls = false;
  #watching: Promise<void> | undefined;

  constructor(config: WebSource, logger: Logger, lookMs = LOOK_MS) {
    this.#config = config;
    this.#logger = logger;
    this.#lookMs = lookMs;
  }

  /** True when there is anything that may change. */
  get isGiven(): boolean {
    return this.#config.web.configFile !== '' || this.#config.tls.enabled;
  }

  /** Throws GatewayError `config_invalid`: a line for each fault. */
  load(): WebSettings {
    const faults: string[] = [];
    const settings = this.#read(faults);
    if (settings === undefined) throw new GatewayError('config_invalid', faults.join('\n'));
    this.#withTls = settings.tls !== undefined;
    return settings;
  }

  watch(listener: WebSettingsListener): void {
    if (this.isGiven) this.#watching ??= this.#watch(listener);
  }

  async destroy(): Promise<void> {
    this.#abort.abort();
    await this.#watching;
  }

  async #watch(listener: WebSettingsListener): Promise<void> {
    const { signal } = this.#abort;
    let last = this.#seen;
    for (await sleep(this.#lookMs, signal); !signal.aborted; await sleep(this.#lookMs, signal)) {
      const now = await look(this.#files);
      if (now === last && now !== this.#seen) this.#reload(listener);
      last = now;
    }
  }

  #reload(listener: WebSettingsListener): void {
    const faults: string[] = [];
    const settings = this.#read(faults);
    if (settings !== undefined && (settings.tls !== undefined) !== this.#withTls) {
      faults.push(`cannot switch TLS ${this.#withTls ? 'off' : 'on'} while running: restart the gateway`);
    }
    if (settings === undefined || faults.length > 0) {
      this.#logger.error({ faults }, 'cannot read the web configuration anew; what was in force stays');
      listener.reloaded(false);
      return;
    }
    listener.apply(settings);
    this.#logger.info({ files: this.#files }, 'web configuration read anew');
    listener.reloaded(true);
  }

  /** Undefined when there are faults. */
  #read(faults: string[]): WebSettings | undefined {
    const { configFile } = this.#config.web;
    const path = configFile === '' ? [] : [resolve(configFile)];
    // Looked at before they are read: what changes in between is then a change.
    const seen = lookSync(path);
    const read = this.#readFile(configFile, faults);
    const flags = this.#config.tls.enabled ? this.#tlsOfFlags() : undefined;
    if (flags !== undefined && read.file.tls !== undefined) {
      const why = 'expected no certificate here, --tls.enabled gives one';
      faults.push(read.blame('tls_server_config', undefined, why));
    }
    const tlsFile = flags ?? read.file.tls;
    this.#files = tlsFile === undefined ? path : [...path, ...tlsFiles(tlsFile)];
    this.#seen = seen + lookSync(this.#files.slice(path.length));
    const tls = tlsFile && loadTls(tlsFile, flags === undefined ? read.blame : blameFlags, faults);
    return faults.length > 0 ? undefined : { ...read.file, tls };
  }

  #readFile(path: string, faults: string[]): Pick<ReadWebConfig, 'file' | 'blame'> {
    if (path === '') return { file: NO_WEB_CONFIG, blame: blameFlags };
    let content: string;
    try {
      content = readFileSync(path, 'utf8');
    } catch (thrown) {
      const why = `expected a file that can be read, got ${systemReason(thrown)}`;
      faults.push(`cannot use --web.config.file ${quote(path)}: ${why}`);
      return { file: NO_WEB_CONFIG, blame: blameFlags };
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

const flagOf: Readonly<Record<string, string>> = {
  'tls_server_config.cert_file': '--tls.cert',
  'tls_server_config.key_file': '--tls.key',
  tls_server_config: '--tls.cert',
};

const blameFlags: Blame = (key, shown, why) =>
  `cannot use ${flagOf[key] ?? key}${shown === undefined ? '' : ` ${quote(shown)}`}: ${why}`;

/** Follows symbolic links: Kubernetes changes a mounted secret by turning one over. */
const options = { bigint: true } as const;

function lookSync(paths: readonly string[]): string {
  return paths.map((path) => looksOf(path, statOrNothing(path))).join('');
}

async function look(paths: readonly string[]): Promise<string> {
  const looks = paths.map(async (path) => looksOf(path, await stat(path, options).catch(() => undefined)));
  return (await Promise.all(looks)).join('');
}

function looksOf(path: string, stats: BigIntStats | undefined): string {
  if (stats === undefined) return `${path} absent\n`;
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return `${path} ${[dev, ino, size, mtimeNs, ctimeNs].join(' ')}\n`;
}

function statOrNothing(path: string): BigIntStats | undefined {
  try {
    return statSync(path, options);
  } catch {
    return undefined;
  }
}
