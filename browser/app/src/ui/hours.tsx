import uPlot from 'uplot'
import { count } from '../lib/format'
import { Box, coloursOf, usePlot } from './plot'

export interface Hour {
  value: number
  /** What is usual then; null: not known. */
  usual: number | null
  /** The name of the day that begins with this hour. */
  day?: string
}

/** One count an hour over several days, with what is usual as a line; day by day in a table for who does not see it. */
export function Hours({ hours, label, usually, height = 180 }: { hours: Hour[]; label: string; /** What the line is called. */ usually: string; height?: number }) {
  const box = usePlot(JSON.stringify(hours), height, (el) => [hourOptions(hours, el, height, usually), [hours.map((_, i) => i), hours.map((h) => h.value), hours.map((h) => h.usual)]])
  const days: { day: string; value: number; usual: number | null }[] = []
  for (const h of hours) {
    if (h.day !== undefined || !days.length) days.push({ day: h.day ?? '…', value: 0, usual: null })
    const d = days.at(-1)!
    d.value += h.value
    if (h.usual !== null) d.usual = (d.usual ?? 0) + h.usual
  }
  return (
    <figure>
      <Box at={box} label={label} height={height} />
      <div className="sr-only"><table>
        <caption>{label}</caption>
        <tbody>
          {days.map((d, i) => <tr key={i}><th scope="row">{d.day}</th><td>{count(d.value)}</td><td>{d.usual !== null && `${usually} ${count(Math.round(d.usual))}`}</td></tr>)}
        </tbody>
      </table></div>
    </figure>
  )
}

function hourOptions(hours: Hour[], el: HTMLElement, height: number, usually: string): uPlot.Options {
  const [ink, soft, line, accent] = coloursOf(el)
  const font = `12px ${getComputedStyle(el).fontFamily}`
  const days = hours.flatMap((h, i) => (h.day !== undefined ? [i] : []))
  const most = Math.max(1, ...hours.map((h) => Math.max(h.value, h.usual ?? 0)))
  const peak = hours.reduce((best, h, i) => ((h.usual ?? 0) > (hours[best]!.usual ?? 0) && i < hours.length - 12 ? i : best), 0)
  return {
    width: el.clientWidth,
    height,
    padding: [22, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-0.5, hours.length - 0.5] }, y: { range: [0, most] } },
    axes: [
      { stroke: soft, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 28, border: { show: true, stroke: line, width: 1 }, splits: () => days, align: 1, values: (_, at) => at.map((i) => hours[i]?.day ?? '') },
      { stroke: soft, font, grid: { show: false }, ticks: { show: false }, size: 34, splits: () => [0, most], values: (_, at) => at.map((n) => count(Math.round(n))) },
    ],
    series: [
      {},
      { fill: accent, width: 0, paths: uPlot.paths.bars!({ size: [0.8, 24] }), points: { show: false } },
      { stroke: ink, width: 1.25, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false } },
    ],
    hooks: {
      draw: [
        (u) => {
          if (hours[peak]?.usual == null) return
          u.ctx.save()
          u.ctx.font = `600 ${12 * devicePixelRatio}px ${getComputedStyle(el).fontFamily}`
          u.ctx.fillStyle = ink
          u.ctx.fillText(usually, u.valToPos(peak, 'x', true), u.valToPos(hours[peak].usual, 'y', true) - 6 * devicePixelRatio)
          u.ctx.restore()
        },
      ],
    },
  }
}
