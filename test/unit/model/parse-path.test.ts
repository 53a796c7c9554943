import { describe, expect, it } from 'vitest';
import { parseGroupingPath } from '../../../shared/model/parse-path.ts';

function refusal(path: string): string {
  try {
    parseGroupingPath(path);
  } catch (error) {
    expect(error).toHaveProperty('code', 'path_invalid');
    return error instanceof Error ? error.message : '';
  }
  throw new Error('it was taken');
}

// Verified with a running official gateway.
describe('parseGroupingPath takes', () => {
  it.each<[path: string, labels: Record<string, string>]>([
    ['/job/a', { job: 'a' }],
    ['/job/a/', { job: 'a' }],
    ['/job/a/b/c', { b: 'c', job: 'a' }],
    ['/job/z/y/1/b/2', { b: '2', job: 'z', y: '1' }],
    ['/job/a/b/', { b: '', job: 'a' }],
    ['/job/a/b@base64/', { b: '', job: 'a' }],
    ['/job/a/b@base64/=', { b: '', job: 'a' }],
    ['/job/a/b/1/b/2', { b: '2', job: 'a' }],
    ['/job/a/job/b', { job: 'a' }],
    ['/job/a%2Fb/c', { b: 'c', job: 'a' }],
    ['/job/a+b%20c', { job: 'a+b c' }],
    ['/job/a/b/%00%C3%A9', { b: '\0é', job: 'a' }],
    ['/job/a/b/c;d=1', { b: 'c;d=1', job: 'a' }],
    ['/job@base64/Zg', { job: 'f' }],
    ['/job%40base64/Zg==', { job: 'f' }],
    ['/job@base64/Zh', { job: 'f' }],
    ['/job@base64/Zg%3D%3D%3D', { job: 'f' }],
    ['/job@base64/Zg%0A', { job: 'f' }],
    ['/job/a/p@base64/L3Zhci90bXA', { job: 'a', p: '/var/tmp' }],
    ['/job/a/_x1/b', { _x1: 'b', job: 'a' }],
    ['/job/%2E%2E/b/%2e', { b: '.', job: '..' }],
    ['/job/a/b/..%2Fc/d', { b: '..', c: 'd', job: 'a' }],
  ])('%s', (path, labels) => {
    expect(parseGroupingPath(path)).toEqual(Object.entries(labels));
  });
});

describe('parseGroupingPath refuses', () => {
  it.each<[path: string, reason: string]>([
    ['/job/a/b', 'odd number of components in label string "/b"'],
    ['/job/a/b/c/', 'odd number of components in label string "/b/c/"'],
    ['/job/a%2Fb', 'odd number of components in label string "/b"'],
    ['/job/a/b/c%2F', 'odd number of components in label string "/b/c/"'],
    ['/job@base64/=', 'job name is required'],
    ['/job@base64/=/', 'job name is required'],
    ['/job@base64/=/b/c/d', 'odd number of components in label string "/b/c/d"'],
    ['/job@base64/Z', 'invalid base64 encoding in job name "Z": illegal base64 data at input byte 0'],
    ['/job/a/b@base64/Z', 'invalid base64 encoding for label b="Z": illegal base64 data at input byte 0'],
    ['/job/a/b@base64/Z+==', 'invalid base64 encoding for label b="Z+==": illegal base64 data at input byte 1'],
    ['/job/a/b@base64/Z=g', 'invalid base64 encoding for label b="Z=g": illegal base64 data at input byte 1'],
    ['/job/a/b@base64/_w', 'invalid base64 encoding for label b="_w": the decoded value is not UTF-8'],
    ['/job/a/@base64/Zg', 'improper label name ""'],
    ['/job/a/__x/y', 'improper label name "__x"'],
    ['/job/a/x-y/z', 'improper label name "x-y"'],
    ['/job/a/1x/z', 'improper label name "1x"'],
    ['/job/a/%22/c', 'improper label name "\\""'],
    ['/job/a/b@base64@base64/Zg', 'improper label name "b@base64"'],
    ['/job/a/b/%zz', 'path "/job/a/b/%zz" is not valid percent-encoded UTF-8'],
    ['/job/a/b/%ff', 'path "/job/a/b/%ff" is not valid percent-encoded UTF-8'],
    ['/job/a%2F%2Fb/c', 'odd number of components in label string "//b/c"'],
    ['/job/a%2F%2Fb', 'improper label name ""'],
    ['/job/%2Fa/b', 'job name is required'],
    ['/job/%2Fa', 'odd number of components in label string "/a"'],
    ['/job', 'path "/job" does not begin with /job/JOB or /job@base64/JOB'],
    ['/job/', 'job name is required'],
    ['/jobs/a', 'path "/jobs/a" does not begin with /job/JOB or /job@base64/JOB'],
    ['', 'path "" does not begin with /job/JOB or /job@base64/JOB'],
  ])('%s', (path, reason) => {
    expect(refusal(path)).toBe(reason);
  });
});

describe('with UTF-8 names', () => {
  it.each<[path: string, name: string]>([
    ['/job/a/U__my_2e_label/v', 'my.label'],
    ['/job/a/U__a__b/v', 'a_b'],
    ['/job/a/U___1F600_/v', '😀'],
    ['/job/a/U__bad_zz_/v', 'U__bad_zz_'],
    ['/job/a/U__d800_d800_/v', 'U__d800_d800_'],
    ['/job/a/U__a_/v', 'U__a_'],
    ['/job/a/a.b/v', 'a.b'],
  ])('%s', (path, name) => {
    expect(parseGroupingPath(path, { utf8Names: true })).toContainEqual([name, 'v']);
  });
});
