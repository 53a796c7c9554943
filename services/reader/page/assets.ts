/** The files of the page, under /static/. A URL contains the version of its file, so browsers may cache it forever. */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const TYPES = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export type AssetName = keyof typeof TYPES;

export interface Asset {
  readonly type: string;
  readonly content: Buffer;
  readonly version: string;
}

export class Assets {
  readonly #assets = new Map<string, Asset>();

  constructor() {
    for (const [name, type] of Object.entries(TYPES)) {
      const content = readFileSync(new URL(`static/${name}`, import.meta.url));
      this.#assets.set(name, { type, content, version: hash('sha1', content, 'hex').slice(0, 10) });
    }
  }

  get(name: string): Asset | undefined {
    return this.#assets.get(name);
  }

  /** Path and query, without a prefix. */
  pathOf(name: AssetName): string {
    return `/static/${name}?v=${this.#assets.get(name)?.version ?? ''}`;
  }
}
