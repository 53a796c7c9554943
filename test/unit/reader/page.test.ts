import { describe, expect, test } from 'vitest';
import { GroupIndex } from '../../../services/reader/query/group-index.ts';
import { Assets } from '../../../services/reader/page/assets.ts';
import { groupPage } from '../../../services/reader/page/group-page.ts';
import { groupsPage } from '../../../services/reader/page/groups-page.ts';
import { renderPage, type Page, type PageContext } from '../../../services/reader/page/layout.ts';
import { formatNumber } from '../../../services/reader/page/components.ts';
import { markup } from '../../../services/reader/page/markup.ts';
import { statusPage } from '../../../services/reader/page/status-page.ts';
import { absoluteTime, formatSpan, relativeTime } from '../../../services/reader/page/time.ts';
import { PatternMatcher } from '../../../services/reader/query/pattern-matcher.ts';
import matchPattern from '../../../services/reader/query/pattern-thread.ts';
import { loadConfig } from '../../../shared/config/read/load.ts';
import type { Labels } from '../../../shared/model/metric-family.ts';
import { Snapshot } from '../../../services/reader/snapshot/snapshot.ts';
import { put } from '../../support/snapshots.ts';

const patterns = new PatternMatcher({ run: async (task) => await Promise.resolve(matchPattern(task)) });

const NOW = Date.UTC(2024, 4, 1, 12, 0, 3);

function contextOf(argv: readonly string[] = [], feed = { isComplete: true, lastCompleteMs: NOW }): PageContext {
  const loaded = loadConfig({ argv: [...argv], env: {} });
  if (loaded.kind !== 'config') throw new Error(JSON.stringify(loaded));
  const snapshot = new Snapshot();
  const { config } = loaded;
  const startedAt = new Date(NOW - 3_661_000);
  return { config, snapshot, index: new GroupIndex(snapshot), patterns, feed, assets: new Assets(), startedAt };
}

const query = (text = ''): URLSearchParams => new URLSearchParams(text);
const html = (page: Page, context: PageContext): string => renderPage(page, context, NOW);
const groupsHtml = async (context: PageContext, q = ''): Promise<string> =>
  html(await groupsPage(context, query(q), 'http://gw:9753', NOW), context);
const statusHtml = async (context: PageContext): Promise<string> =>
  html(await statusPage(context, query(), 'http://gw:9753', NOW), context);
const groupHtml = async (context: PageContext, id: string, family: string | null = null): Promise<string> =>
  html(await groupPage(context, id, family, NOW), context);

describe('markup', () => {
  test('escapes inserted text in content and in attributes, but not inserted markup', () => {
    const evil = `<script>alert('x')</script> & "quotes"`;
    const inner = markup`<b title="${evil}">${evil}</b>`;
    const escaped = '&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quotes&quot;';
    expect(markup`<p>${[inner, ' ', 1]}</p>`.text).toBe(`<p><b title="${escaped}">${escaped}</b> 1</p>`);
  });

  test('undefined, false and empty values insert nothing', () => {
    expect(markup`<p>${undefined}${false}${[]}${''}</p>`.text).toBe('<p></p>');
    expect(markup`${0}`.text).toBe('0');
  });
});

describe('times and numbers', () => {
  test.for([
    [0, '0 s'],
    [999, '0 s'],
    [59_999, '59 s'],
    [60_000, '1 min'],
    [65_000, '1 min 5 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [7_500_000, '2 h 5 min'],
    [90_000_000, '1 d 1 h'],
  ] as const)('%i ms are %s', ([ms, text]) => {
    expect(formatSpan(ms)).toBe(text);
  });

  test('past and future', () => {
    expect(relativeTime(NOW - 61_000, NOW).text).toBe('<time datetime="2024-05-01T11:59:02.000Z">1 min 1 s ago</time>');
    expect(relativeTime(NOW + 2_000, NOW).text).toContain('in 2 s');
    expect(absoluteTime(NOW)).toBe('2024-05-01 12:00:03 UTC');
  });

  test.for([
    [0, '0'],
    [999, '999'],
    [1_000, '1,000'],
    [1_234_567, '1,234,567'],
  ] as const)('%i is %s', ([value, text]) => {
    expect(formatNumber(value)).toBe(text);
  });
});

describe('the list of groups', () => {
  test('shows labels, times and counts of each group', async () => {
    const context = contextOf();
    put(context.snapshot, {
      labels: [
        ['job', 'j'],
        ['a', ''],
      ],
      pushedMs: NOW - 60_000,
      untilMs: NOW + 60_000,
      families: [{ name: 'm', text: 'm{a="",instance="",job="j"} 1\n' }],
    });
    const page = await groupsHtml(context);
    expect(page).toMatch(/job="<bdi>j<\/bdi>".*a="<bdi><\/bdi>"/);
    expect(page).toContain('1 min ago</time> <small>2024-05-01 11:59:03 UTC</small>');
    expect(page).toContain('1\u00a0family, 1\u00a0series');
    expect(page).toMatch(/expires <time [^>]*>in 1 min</);
    expect(page).toContain('data-path="./metrics/job/j/a@base64/="');
    expect(page).toContain('1\u00a0group<');
    expect(page).not.toContain('Last push failed');
    expect(page).toContain('up 1 h 1 min');
  });

  test('shows failures, groups that never expire and groups without a successful push', async () => {
    const context = contextOf();
    put(context.snapshot, { labels: [['job', 'j']], pushedMs: 0, failedMs: NOW - 1_000 });
    const page = await groupsHtml(context);
    expect(page).toMatch(/class="group failed"/);
    expect(page).toMatch(/Last push failed<\/strong> <time [^>]*>1 s ago</);
    expect(page).toContain('Never pushed successfully');
    expect(page).toContain('never expires');
  });

  test('series of /ingest have no delete button', async () => {
    const context = contextOf();
    put(context.snapshot, { kind: 'ingest', labels: [['x', 'y']], families: [{ name: 'm', text: 'm{x="y"} 1\n' }] });
    expect(await groupsHtml(context)).toContain('ingest</span>');
    expect(await groupsHtml(context)).not.toContain('data-method');
  });

  test('an empty gateway shows how to push', async () => {
    const context = contextOf(['--web.external-url=https://x.example/base', '--metrics.path=/m']);
    expect(await groupsHtml(context)).toContain('curl --data-binary @- http://gw:9753/base/metrics/job/some_job');
  });

  test('can be searched by text or selector', async () => {
    const context = contextOf();
    for (const job of ['backup', 'ci']) put(context.snapshot, { labels: [['job', job]] });
    const shown = async (q: string): Promise<string[]> =>
      [...(await groupsHtml(context, `q=${encodeURIComponent(q)}`)).matchAll(/job="<bdi>(.*?)<\/bdi>/g)].map(
        ([, job = '']) => job,
      );
    expect(await shown('')).toEqual(['backup', 'ci']);
    expect(await shown('ACK')).toEqual(['backup']);
    expect(await shown('{job="ci"}')).toEqual(['ci']);
    expect(await shown('job!="ci"')).toEqual(['backup']);
    expect(await shown('job="c')).toEqual(['ci']);
    expect(await groupsHtml(context, 'q=zzz')).toContain('No groups match');
    expect(await groupsHtml(context, 'q=ci')).toContain('1 of 2\u00a0groups');
  });

  test('an invalid selector is shown again, with the reason', async () => {
    const context = contextOf();
    put(context.snapshot, { labels: [['job', 'j']] });
    const page = await groupsPage(context, query('q={job=<b>}'), '', NOW);
    expect(page.status).toBe(400);
    expect(html(page, context)).toContain('expected a value in quotes at character 6, found &#39;&lt;&#39;');
    expect(html(page, context)).toContain('value="{job=&lt;b&gt;}"');
  });

  test('page links keep the search; a page number out of range selects the nearest page', async () => {
    const context = contextOf();
    for (let i = 0; i < 120; i++) put(context.snapshot, { labels: [['job', `j${String(i).padStart(3, '0')}`]] });
    expect(await groupsHtml(context, 'q=j&page=2')).toContain('href="./?q=j&amp;page=3" rel="next"');
    expect(await groupsHtml(context, 'q=j&page=2')).toContain('href="./?q=j" rel="prev"');
    expect(await groupsHtml(context, 'page=2')).toContain('51 to 100 shown');
    for (const last of ['3', '4', '1e9', '99999999999999999999']) {
      expect(await groupsHtml(context, `page=${last}`)).toContain(last === '1e9' ? 'Page 1 of 3' : 'Page 3 of 3');
    }
    for (const first of ['0', '-1', 'x', ''])
      expect(await groupsHtml(context, `page=${first}`)).toContain('Page 1 of 3');
  });

  test('the page of 10,000 groups is smaller than 100 kB', async () => {
    const context = contextOf();
    for (let i = 0; i < 10_000; i++) {
      put(context.snapshot, {
        labels: [
          ['instance', `host-${i}.some-longer-domain.example.com:9100`],
          ['job', `batch-job-${i % 100}`],
          ['zone', 'europe-west-1'],
        ],
        pushedMs: NOW - i,
        failedMs: NOW,
        untilMs: NOW + i,
        families: [{ name: 'm', text: `m{instance="${i}"} 1\n` }],
      });
    }
    const startedMs = performance.now();
    const first = await groupsHtml(context);
    const firstMs = performance.now() - startedMs;
    const again = performance.now();
    await groupsHtml(context, 'q=host-99');
    console.log(
      `page of 10,000 groups: ${firstMs.toFixed(1)} ms the first time, searched ${(performance.now() - again).toFixed(1)} ms`,
    );
    expect(Buffer.byteLength(first)).toBeLessThan(100_000);
    expect(Buffer.byteLength(await groupsHtml(context, 'page=100'))).toBeLessThan(100_000);
    expect(Buffer.byteLength(await statusHtml(context))).toBeLessThan(100_000);
  });

  test('the page of groups with large labels is smaller than 100 kB', async () => {
    const context = contextOf();
    for (let i = 0; i < 60; i++) {
      const labels: Labels = Array.from({ length: 300 }, (_, l) => [`label_${l}`, `${i}${'x'.repeat(5_000)}`]);
      put(context.snapshot, { kind: i % 2 === 0 ? 'ingest' : 'push', labels });
    }
    expect(Buffer.byteLength(await groupsHtml(context))).toBeLessThan(100_000);
    expect(await groupsHtml(context)).toContain('and 290 more');
  });
});

const many = (name: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `${name}{i="${i}",job="j"} 1\n`).join('');

describe('one group', () => {
  const text = [
    'h_bucket{instance="i",job="j",le="0.5",x="1"} 1',
    'h_bucket{instance="i",job="j",le="+Inf",x="1"} 2',
    'h_sum{instance="i",job="j",x="1"} 3.5',
    'h_count{instance="i",job="j",x="1"} 2',
    '',
  ].join('\n');
  const labels: Labels = [
    ['instance', 'i'],
    ['job', 'j'],
  ];

  test('shows families with their type, help and samples, without the labels of the group', async () => {
    const context = contextOf();
    const id = put(context.snapshot, {
      labels,
      families: [
        { name: 'h', type: 'histogram', help: 'How <long>.', text },
        { name: 'g', type: 'gauge', text: 'g{instance="",job="j"} 1e+06\n' },
      ],
    });
    const page = await groupHtml(context, id);
    expect(page).toContain('2\u00a0families');
    expect(page.indexOf('<code>g</code>')).toBeLessThan(page.indexOf('<code>h</code>'));
    expect(page).toContain('>histogram</span>');
    expect(page).toContain('How &lt;long&gt;.');
    expect(page).toContain('<bdi>h_bucket{le=&quot;0.5&quot;, x=&quot;1&quot;}</bdi></th><td>1</td>');
    expect(page).toContain('<bdi>h_count{x=&quot;1&quot;}</bdi></th><td>2</td>');
    expect(page).toContain('<bdi>g</bdi></th><td>1e+06</td>');
    expect(page).not.toContain('push_time_seconds');
  });

  test('a large group shows its first samples, and for each family a link to more', async () => {
    const context = contextOf();
    const id = put(context.snapshot, {
      labels: [['job', 'j']],
      families: [
        { name: 'a', text: many('a', 400) },
        { name: 'b/c', text: many('b', 20_000) },
      ],
    });
    const page = await groupHtml(context, id);
    expect(page.match(/<tr><th scope="row">/g)).toHaveLength(500);
    expect(page).not.toContain('<details class="family" open>');
    expect(page).toContain(`19,900\u00a0more series: <a href="./?group=${id}&amp;family=b%2Fc">`);
    const alone = await groupHtml(context, id, 'b/c');
    expect(alone.match(/<tr><th scope="row">/g)).toHaveLength(5_000);
    expect(alone).toContain('<details class="family" open>');
    expect(alone).toContain(`<a href="./api/v1/groups/${id}">view all as JSON</a>`);
  });

  test('the page is small even if a group has large texts', async () => {
    const context = contextOf();
    const long = 'x'.repeat(65_536);
    const id = put(context.snapshot, {
      kind: 'ingest',
      labels: Array.from({ length: 200 }, (_, i): [string, string] => [`l${i}`, long]),
      families: [
        { name: `a${long}`, help: long, text: `a{job="j",l="${long}"} 1\n`.repeat(20) },
        ...Array.from({ length: 3_000 }, (_, i) => ({ name: `f${i}`, help: 'h', text: `f${i}{job="j"} 1\n` })),
      ],
    });
    for (const family of [null, `a${long}`]) {
      const page = await groupHtml(context, id, family);
      expect(Buffer.byteLength(page)).toBeLessThan(3_000_000);
      expect(page).toContain(`href="./api/v1/groups/${id}"`);
    }
    expect(await groupHtml(context, id)).toContain('2,001\u00a0more families');
  });

  test('the reason why a family is kept out of /metrics is shown on every page', async () => {
    const context = contextOf();
    put(context.snapshot, { labels: [['job', 'a']], families: [{ name: 'm', type: 'gauge', text: 'm{job="a"} 1\n' }] });
    const id = put(context.snapshot, {
      labels: [['job', 'b']],
      families: [{ name: 'm', type: 'counter', text: 'm{job="b"} 1\n' }],
    });
    expect(await groupsHtml(context)).toContain('1\u00a0family is kept out of <code>/metrics</code>');
    expect(await groupsHtml(context)).toContain('1 kept out');
    expect(await groupHtml(context, id)).toContain('another group pushed this family earlier with a different type');
    expect(await statusHtml(context)).toMatch(new RegExp(`<code>m</code>.*group=${id}.*with a different type`));
  });

  test('a group that does not exist', async () => {
    const context = contextOf();
    const page = await groupPage(context, '<script>', null, NOW);
    expect(page.status).toBe(404);
    expect(html(page, context)).not.toContain('<script>');
  });

  test('a series of /ingest shows why it cannot be deleted', async () => {
    const context = contextOf();
    const id = put(context.snapshot, { kind: 'ingest', labels: [], families: [{ name: 'm', text: 'm 1\n' }] });
    expect(await groupHtml(context, id)).toContain('each series expires on its own and cannot be deleted');
    expect(await groupHtml(context, id)).toContain('no labels');
    expect(await groupHtml(context, id)).not.toContain('data-method');
  });
});

describe('the status page', () => {
  test('shows every setting, but no secret', async () => {
    const context = contextOf(['--redis.password=hunter2', '--log.format=json']);
    const page = await statusHtml(context);
    expect(page).not.toContain('hunter2');
    expect(page).toMatch(/--redis\.password<\/code><\/th><td><code>&lt;secret&gt;</);
    expect(page).toMatch(/--log\.format<\/code><\/th><td><code>json</);
    expect(page).toContain('2024-05-01 10:59:02 UTC');
    expect(page).toContain('Nothing has been pushed yet');
  });

  test('has a button to delete all groups if that is enabled', async () => {
    expect(await statusHtml(contextOf())).not.toContain('/admin/wipe');
    expect(await statusHtml(contextOf(['--web.enable-admin-api', '--web.external-url=/base']))).toContain(
      'data-method="PUT" data-path="/base/api/v1/admin/wipe"',
    );
  });

  test('shows when Redis is away, and when nothing is loaded yet', async () => {
    const late = contextOf([], { isComplete: true, lastCompleteMs: NOW - 65_000 });
    expect(await groupsHtml(late)).toMatch(
      /Redis is unreachable\.<\/strong> The groups are shown as of <time [^>]*>1 min 5 s ago/,
    );
    const loading = contextOf([], { isComplete: false, lastCompleteMs: 0 });
    expect((await groupsPage(loading, query(), '', NOW)).status).toBe(503);
    expect(await groupsHtml(loading)).toContain('Not loaded yet');
    expect(await groupsHtml(loading)).not.toContain('Nothing has been pushed yet');
    expect(await statusHtml(loading)).toContain('--redis.endpoint');
  });
});

test('all links begin with the external prefix', async () => {
  const context = contextOf(['--web.external-url=https://x.example/pg/', '--web.route-prefix=/']);
  const id = put(context.snapshot, { labels: [['job', 'j']], families: [{ name: 'm', text: 'm{job="j"} 1\n' }] });
  for (const page of [
    await groupsHtml(context),
    await groupHtml(context, id),
    await groupHtml(context, id, 'm'),
    await statusHtml(context),
  ]) {
    const links = [...page.matchAll(/(?:href|src|action|data-path)="([^"#][^"]*)"/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(link).toMatch(/^\/pg\//);
  }
});

const NASTY = [
  '<script>alert(1)</script>',
  '" onload="alert(1)',
  "' x",
  '</title><img src=x>',
  '&lt;',
  '\u202egnp.exe',
  'a\0b\u0007',
  '\u200fעברית',
];

test.for(NASTY)('%j is shown as text everywhere', async (nasty) => {
  const context = contextOf();
  const id = put(context.snapshot, {
    labels: [
      ['job', nasty],
      [`n${nasty}`, nasty],
    ],
    families: [
      { name: nasty, help: nasty, text: `{"${nasty.replaceAll('"', '\\"')}",l="${nasty.replaceAll('"', '\\"')}"} 1\n` },
    ],
  });
  put(context.snapshot, { labels: [['job', 'z']], families: [{ name: nasty, type: 'gauge', text: `x 1\n` }] });
  const q = `q=${encodeURIComponent(nasty)}&page=${encodeURIComponent(nasty)}`;
  for (const page of [
    await groupsHtml(context, q),
    await groupHtml(context, id),
    await groupHtml(context, id, nasty),
    await statusHtml(context),
  ]) {
    expect(tagsOf(page)).toEqual(tagsOf(page).filter((tag) => KNOWN_TAGS.has(tag)));
    expect(page).not.toMatch(/<script>|onload="|<img/);
    expect(page.match(/<script /g)).toHaveLength(1);
    // The search text and help texts stand by themselves and are not escaped.
    expect(page.replaceAll(/<input [^>]*>|<title>.*<\/title>|<p class="help" dir="auto">.*<\/p>/gs, '')).not.toMatch(
      /\u202e|\p{Cc}(?<!\n)/u,
    );
  }
});

const KNOWN_TAGS = new Set(
  'a article bdi body button code dd details div dl dt footer form h1 h2 head header html input label li link main meta nav p pre script section small span strong summary table tbody td th thead time title tr ul'.split(
    ' ',
  ),
);

function tagsOf(page: string): string[] {
  return [...page.matchAll(/<\/?([a-z][^\s>/]*)/gi)].map(([, tag = '']) => tag.toLowerCase());
}
