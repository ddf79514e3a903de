import { t } from '../lib/words'
import { cx } from './cx'

const bar = 'rounded-sm bg-hover'

/** The shape of rows that are on their way; for the first tenth of a second, nothing. */
export function Rows({ n = 6, tall }: { n?: number; tall?: boolean }) {
  return (
    <div role="status" className="after-a-moment">
      <span className="sr-only">{t('common.loading')}</span>
      {Array.from({ length: n }, (_, i) => (
        <div key={i} className={cx('flex items-center gap-3 border-b border-line px-4', tall ? 'h-18' : 'h-12')}>
          <div className={cx(bar, 'size-8 rounded-full')} />
          <div className="flex-1 space-y-2">
            <div className={cx(bar, 'h-3.5', i % 3 === 0 ? 'w-2/5' : i % 3 === 1 ? 'w-1/2' : 'w-1/3')} />
            {tall && <div className={cx(bar, 'h-3 w-3/5')} />}
          </div>
          <div className={cx(bar, 'h-3.5 w-10')} />
        </div>
      ))}
    </div>
  )
}

export function Block({ className }: { className?: string }) {
  return <div aria-hidden className={cx(bar, 'after-a-moment', className)} />
}
