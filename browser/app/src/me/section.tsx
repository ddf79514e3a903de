import type { ReactNode } from 'react'

export function Section({ title, words, action, children }: { title: string; words?: string; action?: ReactNode; children: ReactNode }) {
  return (
    <section className="mt-10">
      <div className="mb-3 flex min-h-9 items-end justify-between gap-4">
        <div>
          <h2 className="text-base font-semibold">{title}</h2>
          {words && <p className="mt-0.5 text-sm text-soft">{words}</p>}
        </div>
        {action}
      </div>
      {children}
    </section>
  )
}
