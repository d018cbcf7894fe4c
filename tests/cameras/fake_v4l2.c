/* A Video4Linux camera for a process that has this library in LD_PRELOAD: on a machine without a camera, and
 * without the kernel module v4l2loopback, OpenCV's V4L2 code runs as it is.
 *
 * FAKE_V4L2_DEVICE  a file that stands for the device. Deleting it unplugs the camera; "hang" in it stops the
 *                   frames, "nostamp" leaves the buffers' time stamps at 0.
 * FAKE_V4L2_FRAMES  folder with 000.jpg, 001.jpg, ... which are sent in a circle, at the rate that was asked for.
 * FAKE_V4L2_LOG     file to which every setting is written: "format W H FOURCC", "rate HZ", "buffers N",
 *                   "control ID VALUE", each with zeros up to three numbers.
 *
 * It does motion JPEG only, up to 1280x720 and 60 Hz, and has the controls of a UVC camera; gain goes to 255.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFERS 10
#define BUFFER_SIZE (1 << 20)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int device = -1;
static struct v4l2_pix_format format = {.width = 640, .height = 480, .pixelformat = V4L2_PIX_FMT_MJPEG};
static unsigned int rate_hz = 30, sequence;
static unsigned char *buffers[BUFFERS];
static int queued[BUFFERS], waiting;

static void note(const char *what, long a, long b, long c) {
  FILE *log = fopen(getenv("FAKE_V4L2_LOG"), "a");
  fprintf(log, "%s %ld %ld %ld\n", what, a, b, c);
  fclose(log);
}

static int says(const char *word) {
  char text[64] = "";
  FILE *file = fopen(getenv("FAKE_V4L2_DEVICE"), "r");
  if (!file) return 0;
  size_t read = fread(text, 1, sizeof text - 1, file);
  text[read] = 0;
  fclose(file);
  return strstr(text, word) != NULL;
}

static int fails(int code) {
  errno = code;
  return -1;
}

static int open_device(void) {
  waiting = 0;
  sequence = 0;
  return device = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
}

static void run(int on) {
  struct itimerspec every = {{0, on ? 1000000000 / rate_hz : 0}, {0, on ? 1000000000 / rate_hz : 0}};
  timerfd_settime(device, 0, &every, NULL);
}

static size_t load(unsigned char *into) {
  char path[512];
  for (int again = 0; again < 2; again++) {
    snprintf(path, sizeof path, "%s/%03u.jpg", getenv("FAKE_V4L2_FRAMES"), sequence);
    FILE *file = fopen(path, "rb");
    if (file) {
      size_t size = fread(into, 1, BUFFER_SIZE, file);
      fclose(file);
      sequence++;
      return size;
    }
    sequence = 0;
  }
  return 0;
}

static int dequeue(struct v4l2_buffer *buffer) {
  uint64_t ticks;
  struct timespec now;
  if (access(getenv("FAKE_V4L2_DEVICE"), F_OK)) return fails(ENODEV);
  if (says("hang")) run(0);
  if (!waiting || read(device, &ticks, sizeof ticks) < 0) return fails(EAGAIN);
  buffer->index = queued[0];
  memmove(queued, queued + 1, sizeof queued - sizeof queued[0]);
  waiting--;
  buffer->length = BUFFER_SIZE;
  buffer->bytesused = load(buffers[buffer->index]);
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (!says("nostamp")) buffer->timestamp = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

static int control(unsigned int id) {
  return id == V4L2_CID_EXPOSURE_AUTO || id == V4L2_CID_EXPOSURE_ABSOLUTE || id == V4L2_CID_GAIN ||
         id == V4L2_CID_AUTO_WHITE_BALANCE || id == V4L2_CID_WHITE_BALANCE_TEMPERATURE;
}

static int answer(unsigned int request, void *argument) {
  struct v4l2_buffer *buffer = argument;
  switch (request) {
    case VIDIOC_QUERYCAP: {
      struct v4l2_capability *can = argument;
      can->capabilities = can->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
      return 0;
    }
    case VIDIOC_G_FMT:
      ((struct v4l2_format *)argument)->fmt.pix = format;
      return 0;
    case VIDIOC_S_FMT: {
      struct v4l2_pix_format *wanted = &((struct v4l2_format *)argument)->fmt.pix;
      format = *wanted;
      format.pixelformat = V4L2_PIX_FMT_MJPEG;
      if (format.width > 1280) format.width = 1280, format.height = 720;
      format.sizeimage = BUFFER_SIZE;
      *wanted = format;
      note("format", format.width, format.height, format.pixelformat);
      return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
      struct v4l2_fract *period = &((struct v4l2_streamparm *)argument)->parm.capture.timeperframe;
      if (request == VIDIOC_S_PARM && period->numerator && period->denominator)
        rate_hz = period->denominator / period->numerator > 60 ? 60 : period->denominator / period->numerator;
      *period = (struct v4l2_fract){1, rate_hz};
      if (request == VIDIOC_S_PARM) note("rate", rate_hz, 0, 0);
      return 0;
    }
    case VIDIOC_REQBUFS:
      waiting = 0;
      note("buffers", ((struct v4l2_requestbuffers *)argument)->count, 0, 0);
      return 0;
    case VIDIOC_QUERYBUF:
      buffer->length = BUFFER_SIZE;
      buffer->m.offset = buffer->index * BUFFER_SIZE;
      return 0;
    case VIDIOC_QBUF:
      queued[waiting++] = buffer->index;
      return 0;
    case VIDIOC_DQBUF:
      return dequeue(buffer);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
      run(request == VIDIOC_STREAMON);
      return 0;
    case VIDIOC_QUERYCTRL:
      if (!control(((struct v4l2_queryctrl *)argument)->id)) return fails(EINVAL);
      ((struct v4l2_queryctrl *)argument)->minimum = 0;
      ((struct v4l2_queryctrl *)argument)->maximum = 10000;
      return 0;
    case VIDIOC_S_CTRL: {
      struct v4l2_control *set = argument;
      if (!control(set->id)) return fails(EINVAL);
      if (set->id == V4L2_CID_GAIN && set->value > 255) return fails(ERANGE);
      note("control", set->id, set->value, 0);
      return 0;
    }
    default:
      return fails(EINVAL);
  }
}

typedef int open_call(const char *, int, ...);

static int opened(const char *path, int flags, mode_t mode, const char *name) {
  const char *ours = getenv("FAKE_V4L2_DEVICE");
  open_call *real = (open_call *)dlsym(RTLD_NEXT, name);
  int reads_it = (flags & O_ACCMODE) == O_RDWR;
  return ours && reads_it && !strcmp(path, ours) && !access(ours, F_OK) ? open_device() : real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = va_arg(more, mode_t);
  va_end(more);
  return opened(path, flags, mode, "open");
}

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = va_arg(more, mode_t);
  va_end(more);
  return opened(path, flags, mode, "open64");
}

int ioctl(int fd, unsigned long request, ...) {
  va_list more;
  va_start(more, request);
  void *argument = va_arg(more, void *);
  va_end(more);
  return fd >= 0 && fd == device ? answer((unsigned int)request, argument) : REAL(ioctl)(fd, request, argument);
}

typedef void *map(void *, size_t, int, int, int, off_t);

static void *mapped(void *at, size_t size, int rights, int flags, int fd, off_t offset, const char *name) {
  map *real = (map *)dlsym(RTLD_NEXT, name);
  if (fd < 0 || fd != device) return real(at, size, rights, flags, fd, offset);
  return buffers[offset / BUFFER_SIZE] = real(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void *mmap(void *at, size_t size, int rights, int flags, int fd, off_t offset) {
  return mapped(at, size, rights, flags, fd, offset, "mmap");
}

void *mmap64(void *at, size_t size, int rights, int flags, int fd, off_t offset) {
  return mapped(at, size, rights, flags, fd, offset, "mmap64");
}

int close(int fd) {
  if (fd >= 0 && fd == device) device = -1;
  return REAL(close)(fd);
}
