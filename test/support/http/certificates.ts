/**
 * Creates certificates for tests, so that no tool has to be installed and no stored certificate expires.
 *
 * Just enough of X.509 (RFC 5280, 4.1) in DER: SEQUENCE { tbsCertificate, algorithm, signature }.
 */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly issue: (name: string, options?: CertificateOptions) => Certificate;
}

export interface CertificateOptions {
  /** `DNS:…`, `IP:…` (as four or sixteen bytes), `email:…` or `URI:…`. */
  sans?: readonly (readonly [kind: 'DNS' | 'IP' | 'email' | 'URI', value: string | readonly number[]])[];
  /** May sign others. */
  ca?: boolean;
}

/** Signed by itself. */
export function makeCertificate(name: string, options: CertificateOptions = {}): Certificate {
  return make(name, options, undefined);
}

interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
}

function make(name: string, options: CertificateOptions, issuer: Issuer | undefined): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(set(sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(name)))));
  const self: Issuer = { name: subject, key: privateKey };
  const { name: issuerName, key: signer } = issuer ?? self;
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
  const validity = sequence(...['20200101000000Z', '21200101000000Z'].map((at) => der(0x18, Buffer.from(at))));
  const tbs = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    issuerName,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(options))),
  );
  const cert = sequence(tbs, ecdsaWithSha256, bits(sign('sha256', tbs, signer)));
  return {
    cert: pem(cert),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    issue: (other, otherOptions = {}) => make(other, otherOptions, self),
  };
}

const sanTags = { email: 0x81, DNS: 0x82, URI: 0x86, IP: 0x87 } as const;

function extensions({ sans = [['DNS', 'localhost']], ca = false }: CertificateOptions): Buffer[] {
  const names = sans.map(([kind, value]) =>
    der(sanTags[kind], typeof value === 'string' ? Buffer.from(value) : Buffer.from([...value])),
  );
  const yes = der(0x01, Buffer.from([0xff]));
  return [
    sequence(oid('2.5.29.19'), yes, octets(ca ? sequence(yes) : sequence())),
    sequence(oid('2.5.29.17'), octets(sequence(...names))),
  ];
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...items: Buffer[]): Buffer => der(0x30, Buffer.concat(items));
const set = (...items: Buffer[]): Buffer => der(0x31, Buffer.concat(items));
const integer = (value: Buffer): Buffer => der(0x02, value);
const octets = (value: Buffer): Buffer => der(0x04, value);
const bits = (value: Buffer): Buffer => der(0x03, Buffer.concat([Buffer.from([0]), value]));

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(number: number): number[] {
  const digits = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

function pem(content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
