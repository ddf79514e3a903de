import { cx } from './cx'

/** Catchment's sign: three short strokes that run into one basin. Running, it says that something is on its way. */
export function Sign({ running, className }: { running?: boolean; className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden className={cx('shrink-0 text-accent rtl:-scale-x-100', running && 'sign-running', !className?.includes('size-') && 'size-6', className)}>
      <g fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round">
        <path d="M3 4.500c6 0 6 7.500 11.500 7.500" />
        <path d="M3 12h11.500" />
        <path d="M3 19.500c6 0 6-7.500 11.500-7.500" />
      </g>
      <circle cx="18" cy="12" r="3.6" fill="currentColor" />
    </svg>
  )
}
