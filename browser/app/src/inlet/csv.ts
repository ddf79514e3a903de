// The first lines of a file of leads, read in the browser so that its columns
// can be given a place before it is sent. What counts is what the server reads.

export const separators = [',', ';', '\t', '|'] as const

/** Bytes as text: UTF-8 with or without a mark, else windows-1252, as the server takes them. cut: the file goes on, perhaps amid a letter. */
export function decode(bytes: Uint8Array, cut = false): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut })
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

function cells(text: string, by: string, most: number): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  const end = () => {
    row.push(cell)
    cell = ''
  }
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i]!
    if (quoted) {
      if (c !== '"') cell += c
      else if (text[i + 1] === '"') cell += text[i++]
      else quoted = false
    } else if (c === '"' && cell === '') quoted = true
    else if (c === by) end()
    else if (c === '\n' || c === '\r') {
      if (c === '\r' && text[i + 1] === '\n') i++
      end()
      if (row.length > 1 || row[0] !== '') rows.push(row)
      row = []
    } else cell += c
  }
  if (rows.length < most && (cell || row.length)) {
    end()
    rows.push(row)
  }
  return rows
}

/** The columns' names and the rows after them, at most so many. */
export function head(text: string, most = 4): { columns: string[]; rows: string[][] } {
  const all = separators.map((s) => cells(text, s, most))
  const best = all.reduce((a, b) => ((b[0]?.length ?? 0) > (a[0]?.length ?? 0) ? b : a))
  return { columns: (best[0] ?? []).map((c) => c.trim()), rows: best.slice(1) }
}

/** A sample that was pasted: JSON, an address with its query, a form's body, or a table's first lines. */
export function sample(text: string): { field: string; value: string }[] {
  const t = text.trim()
  try {
    const o = JSON.parse(t) as unknown
    if (o && typeof o === 'object' && !Array.isArray(o)) return flat(o as Record<string, unknown>, '')
  } catch {
    // not JSON: below
  }
  const query = t.includes('\n') ? '' : t.replace(/^[^?\s]*\?/, '')
  if (/^[^=&\s,;]+=/.test(query)) return [...new URLSearchParams(query)].map(([field, value]) => ({ field, value }))
  const { columns, rows } = head(t, 2)
  return columns.filter(Boolean).map((field, i) => ({ field, value: rows[0]?.[i] ?? '' }))
}

function flat(o: Record<string, unknown>, before: string): { field: string; value: string }[] {
  return Object.entries(o).flatMap(([k, v]) => (v && typeof v === 'object' && !Array.isArray(v) ? flat(v as Record<string, unknown>, `${before}${k}.`) : [{ field: before + k, value: String(v ?? '') }]))
}
