import { cx } from './cx'

/** Catchment's sign: three short strokes that run into one basin. Running, it says that something is on its way. */
export function Sign({ running, className }: { running?: boolean; className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden className={cx('shrink-0 text-accent', running && 'sign-running', className ?? 'size-6')}>
      <g fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round">
        <path d="M5.500 3.500 8.800 10.500" />
        <path d="M12 2.500v8" />
        <path d="M18.500 3.500 15.200 10.500" />
        <path d="M3.500 13.800c.6 4.300 4 7.200 8.500 7.200s7.900-2.900 8.500-7.200" />
      </g>
    </svg>
  )
}
