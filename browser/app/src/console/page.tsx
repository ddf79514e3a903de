import type { ReactNode } from 'react'
import { faultOf } from '../lib/fault'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Empty } from '../ui/empty'
import { faultWords } from '../ui/toast'

/** A screen of the console: its name, what it is for, and what can be done at once. */
export function Page({ title, words, action, children, full }: { title: ReactNode; words?: ReactNode; action?: ReactNode; children: ReactNode; /** As high as the window; it scrolls inside. */ full?: boolean }) {
  return (
    <div className={cx('px-4 pt-5 md:px-8 md:pt-7', full ? 'flex h-[calc(100dvh-57px)] flex-col md:h-dvh' : 'max-w-350 pb-16')}>
      <div className="mb-5 flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight">{title}</h1>
          {words && <p className="mt-1 max-w-160 text-soft">{words}</p>}
        </div>
        {action && <div className="flex flex-wrap items-center gap-2">{action}</div>}
      </div>
      {children}
    </div>
  )
}

/** A part of a screen. Lines and space, no box. */
export function Part({ title, action, children, className }: { title: string; action?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={className}>
      <div className="mb-2 flex min-h-9 items-center justify-between gap-4">
        <h2 className="text-base font-semibold">{title}</h2>
        {action}
      </div>
      {children}
    </section>
  )
}

/** Instead of what could not be had. */
export function Sorry({ error, again }: { error: unknown; again: () => void }) {
  const said = faultWords(faultOf(error))
  return (
    <Empty title={said.title} words={said.words}>
      <Button onClick={again}>{t('common.again')}</Button>
    </Empty>
  )
}
