/** The days of a month ("2026-03"), and what of an amount falls on each: evenly, what cannot be parted on the first ones. */
export function spread(month: string, minor: number): { day: string; minor: number }[] {
  const [y, m] = month.split('-').map(Number) as [number, number]
  const n = new Date(Date.UTC(y, m, 0)).getUTCDate()
  return Array.from({ length: n }, (_, i) => ({ day: `${month}-${String(i + 1).padStart(2, '0')}`, minor: Math.floor(minor / n) + (i < minor % n ? 1 : 0) }))
}

/** An amount as typed in the smallest unit of its currency; null when it is none. */
export function minorOf(text: string, currency: string): number | null {
  let digits: number
  try {
    digits = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2
  } catch {
    return null
  }
  const m = /^(\d{1,12})(?:[.,](\d+))?$/.exec(text.trim())
  if (!m || (m[2]?.length ?? 0) > digits) return null
  return Number(m[1]! + (m[2] ?? '').padEnd(digits, '0'))
}
