const half = 30 * 60_000

/** The days until now, or those before them up to the same hour, in the reader's zone; to whole half hours, as the figures are kept. */
export function period(days: number, ago = 0) {
  const from = new Date()
  from.setHours(0, 0, 0, 0)
  from.setDate(from.getDate() - (days - 1) - ago)
  const to = new Date()
  to.setDate(to.getDate() - ago)
  return { from: new Date(Math.floor(from.getTime() / half) * half).toISOString(), to: new Date(Math.ceil((to.getTime() + 1) / half) * half).toISOString() }
}
