import { Progress as Base } from '@base-ui/react/progress'
import { count } from '../lib/format'

/** How far long work is: a bar and a figure. */
export function Progress({ label, value, of }: { label: string; value: number; of: number }) {
  return (
    <Base.Root value={of ? value : null} max={of || 1} getAriaValueText={() => `${count(value)} / ${count(of)}`}>
      <div className="flex items-baseline justify-between gap-4 text-sm">
        <Base.Label className="font-medium">{label}</Base.Label>
        <span dir="ltr" className="figures text-soft">{count(value)} / {count(of)}</span>
      </div>
      <Base.Track className="mt-1.5 h-1.5 overflow-hidden rounded-full bg-hover">
        <Base.Indicator className="h-full rounded-full bg-accent transition-[width] duration-120" />
      </Base.Track>
    </Base.Root>
  )
}
