import type { ReactNode } from 'react'
import { Sign } from './sign'

/** Where nothing is yet: what will be here, and how to get the first one. */
export function Empty({ title, words, whole, children }: { title: string; /** It is all of the page. */ whole?: boolean; words?: ReactNode; children?: ReactNode }) {
  const Heading = whole ? 'h1' : 'h2'
  return (
    <div className="flex flex-col items-center px-6 py-14 text-center">
      <Sign className="size-9 text-faint" />
      <Heading className="mt-4 text-base font-semibold">{title}</Heading>
      {words && <p className="mt-1 max-w-90 text-soft">{words}</p>}
      {children && <div className="mt-5 flex flex-wrap justify-center gap-2">{children}</div>}
    </div>
  )
}
