import uPlot from 'uplot'
import { count } from '../lib/format'
import { Box, coloursOf, usePlot } from './plot'

interface Bar {
  label: string
  value: number
  /** The bar that is meant: drawn in full colour, the others paler. */
  marked?: boolean
  /** Goes to what the bar counts. */
  open?: () => void
}

/** Counts side by side, each with its figure above and its words below; the same stands in a table for who does not see it. */
export function Bars({ bars, label, across, height = 220 }: { bars: Bar[]; label: string; /** What the words below the bars are. */ across: string; height?: number }) {
  const box = usePlot(JSON.stringify(bars), height, (el) => [options(bars, el, height), dataOf(bars)])
  return (
    <figure className="relative">
      <Box at={box} label={label} height={height} />
      {bars.some((b) => b.open) && (
        <div dir="ltr" className="absolute inset-x-[8px] inset-y-0 flex">
          {bars.map((b) => b.open
            ? <button key={b.label} type="button" aria-label={`${across} ${b.label}: ${count(b.value)}`} onClick={b.open} className="min-w-0 flex-1 cursor-pointer rounded-sm outline-none hover:bg-hover/40 focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent" />
            : <span key={b.label} className="flex-1" />)}
        </div>
      )}
      <div className="sr-only"><table>
        <caption>{label}</caption>
        <tbody>
          {bars.map((b) => <tr key={b.label}><th scope="row">{across} {b.label}</th><td>{count(b.value)}</td></tr>)}
        </tbody>
      </table></div>
    </figure>
  )
}

const dataOf = (bars: Bar[]): uPlot.AlignedData => [bars.map((_, i) => i), bars.map((b) => (b.marked === false ? null : b.value)), bars.map((b) => (b.marked === false ? b.value : null))]

function options(bars: Bar[], el: HTMLElement, height: number): uPlot.Options {
  const [ink, soft, line, accent] = coloursOf(el)
  const font = `12px ${getComputedStyle(el).fontFamily}`
  const path = uPlot.paths.bars!({ size: [0.72, 72], radius: 0.06 })
  const most = Math.max(1, ...bars.map((b) => b.value))
  const every = Math.ceil(bars.length / Math.max(1, Math.floor(el.clientWidth / 58)))
  return {
    width: el.clientWidth,
    height,
    padding: [22, 8, 0, 8],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false, range: [-0.5, bars.length - 0.5] }, y: { range: [0, most] } },
    axes: [
      { stroke: soft, font, grid: { show: false }, ticks: { show: false }, size: 30, border: { show: true, stroke: line, width: 1 }, splits: () => bars.map((_, i) => i).filter((i) => i % every === 0), values: (_, at) => at.map((i) => bars[i]?.label ?? '') },
      { show: false },
    ],
    series: [{}, { fill: accent, width: 0, paths: path, points: { show: false } }, { fill: accent, alpha: 0.4, width: 0, paths: path, points: { show: false } }],
    hooks: {
      draw: [
        (u) => {
          const { ctx } = u
          ctx.save()
          ctx.font = `600 ${12 * devicePixelRatio}px ${getComputedStyle(el).fontFamily}`
          ctx.textAlign = 'center'
          ctx.textBaseline = 'alphabetic'
          bars.forEach((b, i) => {
            if (!b.value || (every > 1 && bars.length > 16 && b.value < most)) return
            ctx.fillStyle = b.marked === false ? soft : ink
            ctx.fillText(count(b.value), u.valToPos(i, 'x', true), u.valToPos(b.value, 'y', true) - 6 * devicePixelRatio)
          })
          ctx.restore()
        },
      ],
    },
  }
}
