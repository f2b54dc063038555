/*
 * Thread-local variables of a Mach-O: each has a descriptor whose first word is a function that returns the address of
 * this thread's copy. The function may change no register but %rax (dyld, threadLocalHelpers.s).
 */
#include "macrun.h"

__thread void *tsd[TSD_SLOTS];

static struct image image;

void set_thread_locals(const struct image *loaded) { image = *loaded; }

/* The calling thread's block; called once a thread. */
__attribute__((used)) static void *make_block(void) {
  u8 *block = aligned_alloc(64, (image.tlv_size + 127) & ~63ul);
  memset(block, 0, image.tlv_size);
  memcpy(block, (void *)image.tlv_start, image.tlv_filled);
  return tsd[TLV_SLOT] = block;
}

/* The third word of the descriptor is the variable's offset in the block, whose address is in its slot below %gs. */
_Static_assert(TLV_SLOT * sizeof(void *) == 5600, "the thunk has this offset");
__asm__(".globl tlv_thunk\n"
        "tlv_thunk:\n"
        "  movq %gs:5600, %rax\n"
        "  testq %rax, %rax\n"
        "  je 1f\n"
        "  addq 16(%rdi), %rax\n"
        "  ret\n"
        "1: pushq %rbp\n"
        "  movq %rsp, %rbp\n"
        "  pushq %rdi\n"
        "  pushq %rsi\n"
        "  pushq %rdx\n"
        "  pushq %rcx\n"
        "  pushq %r8\n"
        "  pushq %r9\n"
        "  pushq %r10\n"
        "  pushq %r11\n"
        /* x87, SSE and AVX registers; XSAVE wants its header of 64 bytes cleared. */
        "  subq $4096, %rsp\n"
        "  andq $-64, %rsp\n"
        "  movq $0, 512(%rsp)\n"
        "  movq $0, 520(%rsp)\n"
        "  movq $0, 528(%rsp)\n"
        "  movq $0, 536(%rsp)\n"
        "  movq $0, 544(%rsp)\n"
        "  movq $0, 552(%rsp)\n"
        "  movq $0, 560(%rsp)\n"
        "  movq $0, 568(%rsp)\n"
        "  movl $7, %eax\n"
        "  xorl %edx, %edx\n"
        "  xsave (%rsp)\n"
        "  call make_block\n"
        "  movq %rax, %r11\n"
        "  movl $7, %eax\n"
        "  xorl %edx, %edx\n"
        "  xrstor (%rsp)\n"
        "  movq %r11, %rax\n"
        "  leaq -64(%rbp), %rsp\n"
        "  popq %r11\n"
        "  popq %r10\n"
        "  popq %r9\n"
        "  popq %r8\n"
        "  popq %rcx\n"
        "  popq %rdx\n"
        "  popq %rsi\n"
        "  popq %rdi\n"
        "  popq %rbp\n"
        "  addq 16(%rdi), %rax\n"
        "  ret\n");

int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *module);
extern void *__dso_handle;
void mac__tlv_atexit(void (*destroy)(void *), void *object) {
  __cxa_thread_atexit_impl(destroy, object, &__dso_handle);
}
