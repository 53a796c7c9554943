/**
 * HTML from templates: whatever is put into one is escaped, unless it came from a template itself.
 *
 *     markup`<b title="${anything}">${anything}</b>`      attributes always in double quotes
 */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** `false` and `undefined` are nothing at all, for `condition && markup…`. */
export type Content = Markup | string | number | false | undefined | readonly Content[];

export function markup(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = strings[0] ?? '';
  for (const [i, content] of contents.entries()) text += rendered(content) + (strings[i + 1] ?? '');
  return new Markup(text);
}

function rendered(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'number') return String(content);
  if (typeof content === 'string') return escapeHtml(content);
  let text = '';
  for (const one of content) text += rendered(one);
  return text;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return /[&<>"']/.test(text) ? text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? '') : text;
}
