import { type RefObject, useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { useTheme } from '../lib/theme'

/** Draws into the box, anew when what is drawn, its size or the colours change. */
export function usePlot(text: string, height: number, draw: (el: HTMLElement) => [uPlot.Options, uPlot.AlignedData]) {
  const box = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  const [dark, setDark] = useState(0)
  const latest = useRef(draw)
  useEffect(() => {
    latest.current = draw
  })
  useEffect(() => {
    const m = matchMedia('(prefers-color-scheme: dark)')
    const f = () => setDark((n) => n + 1)
    m.addEventListener('change', f)
    return () => m.removeEventListener('change', f)
  }, [])
  useEffect(() => {
    const el = box.current
    if (!el) return
    const chart = new uPlot(...latest.current(el), el)
    const size = new ResizeObserver(() => chart.setSize({ width: el.clientWidth, height }))
    size.observe(el)
    return () => {
      size.disconnect()
      chart.destroy()
    }
  }, [text, height, theme, dark])
  return box
}

/** Where it is drawn: a picture of that name, and the colours of the theme to draw with. */
export function Box({ at, label, height }: { at: RefObject<HTMLDivElement | null>; label: string; height: number }) {
  return (
    <div ref={at} dir="ltr" role="img" aria-label={label} style={{ height }} className="relative w-full overflow-hidden">
      <span data-colour="ink" className="sr-only text-ink" />
      <span data-colour="soft" className="sr-only text-soft" />
      <span data-colour="line" className="sr-only text-line" />
      <span data-colour="accent" className="sr-only text-accent" />
    </div>
  )
}

/** Ink, soft, line and accent, as they are now. */
export function coloursOf(el: HTMLElement) {
  const colour = (name: string) => getComputedStyle(el.querySelector(`[data-colour=${name}]`)!).color
  return ['ink', 'soft', 'line', 'accent'].map(colour) as [string, string, string, string]
}
