/**
 * HTML from templates. Everything that is inserted is escaped, unless it comes from a template itself.
 *
 *     markup`<b title="${anything}">${anything}</b>`      attributes must be in double quotes
 */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** `false` and `undefined` insert nothing, for `condition && markup…`. */
export type Content = Markup | string | number | false | undefined | readonly Content[];

export function markup(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let text = strings[0] ?? '';
  for (const [i, content] of contents.entries()) text += render(content) + (strings[i + 1] ?? '');
  return new Markup(text);
}

function render(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'number') return String(content);
  if (typeof content === 'string') return escapeHtml(content);
  let text = '';
  for (const one of content) text += render(one);
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
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}
