import type { ReactNode } from 'react'
import { cx } from './cx'

export type Tone = 'plain' | 'accent' | 'warm' | 'good' | 'lost'
const tones: Record<Tone, string> = {
  plain: 'bg-sunken text-soft',
  accent: 'bg-accent-ground text-accent',
  warm: 'bg-warm-ground text-warm',
  good: 'bg-good-ground text-good',
  lost: 'bg-lost-ground text-lost',
}
// A shape for each tone: colour alone tells some people nothing.
const shapes: Record<Tone, ReactNode> = {
  plain: <circle cx="4" cy="4" r="2.6" fill="none" stroke="currentColor" strokeWidth="1.5" />,
  accent: <circle cx="4" cy="4" r="3.2" fill="currentColor" />,
  warm: <path d="M4 .6 7.6 7.2H.4z" fill="currentColor" />,
  good: <path d="M.8 4.300 3 6.600 7.200 1.600" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" />,
  lost: <path d="M1.200 1.200l5.600 5.600M6.800 1.200 1.200 6.800" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" />,
}

/** A state: a shape and a word. */
export function Badge({ tone = 'plain', children, className }: { tone?: Tone; children: ReactNode; className?: string }) {
  return (
    <span className={cx('inline-flex h-6 items-center gap-1.5 rounded-full px-2 text-xs font-medium whitespace-nowrap', tones[tone], className)}>
      <svg viewBox="0 0 8 8" className="size-2" aria-hidden>{shapes[tone]}</svg>
      {children}
    </span>
  )
}
